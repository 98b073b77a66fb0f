"""Calls over sockets: what to send and when to try again, and the connections under it.

Sync and async meet here and nowhere else. What decides without a socket belongs in `protocol`; what sends many
requests together, in `batch`.
"""
