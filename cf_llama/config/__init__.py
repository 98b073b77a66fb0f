"""Settings, credentials and endpoints, validated before a request is sent.

Nothing in here sends, and nothing in here reads an answer. What speaks to a server belongs in `transport`, what the
service writes in `protocol`.
"""
