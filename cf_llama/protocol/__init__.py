"""The service's protocol: requests, responses, errors and the values in between.

Pure functions and push parsers. Nothing in here does I/O, and nothing in here reads settings or the environment.
What needs a socket, a file or a clock belongs in `transport` or `batch`.
"""
