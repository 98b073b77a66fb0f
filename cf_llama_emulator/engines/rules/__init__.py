"""The rule engine: fixed rules that answer without a model.

Each rule reads a conversation and decides one thing, without I/O. What needs a model belongs in `local`.
"""
