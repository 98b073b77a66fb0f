"""The engine of a small local model: the runtime, its prompts, and tool calls parsed from its text.

Files of models and their download belong in `weights`.
"""
