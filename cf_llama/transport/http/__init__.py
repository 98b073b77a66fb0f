"""httpx's transports and clients over pooled connections, whose cost does not grow with the number of calls.

    clients ── pool ──┬── connection ── http1 (bytes, no I/O) ── sockets ── dialing
                      └── httpx's own transport, through a proxy

Bytes, sockets and pools belong in here. What a request means belongs in `transport`; a user's own client never comes
here.
"""
