"""Limits of an account that calls share: how many requests a minute, and how many at once.

What decides (`rate`, `capacity`) is pure and is given the time; `gate` lets calls through in the order of asking, sync
and async. What a single call does after a failure belongs in `retry`.
"""
