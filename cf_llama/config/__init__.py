"""Settings, credentials and where they lead: what a user chooses, checked before anything is sent.

Nothing in here sends, and nothing in here reads an answer. What speaks to a server belongs in `transport`, what the
service writes in `protocol`.
"""
