"""httpx's transports and clients over pooled connections, whose cost does not grow with the number of calls.

    clients ── pool ──┬── direct ── http1 (bytes, no I/O) ── sockets ── connecting
                      └── httpx's own transport, through a proxy

A user's own client never comes here.
"""
