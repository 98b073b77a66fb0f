"""The rules behind the rule engine: each reads a conversation and decides one thing, and none of them waits."""
