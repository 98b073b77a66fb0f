"""Engines: they turn a request into pieces of text and tool calls.

A script, fixed rules, a local model, or another server over HTTP. How the pieces are written belongs in `wire`.
"""
