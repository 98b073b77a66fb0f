"""The wire of the service: requests as they are checked and read, answers as they are written, engines as asked.

Nothing in here serves or breaks anything on purpose: that belongs in `server` and `faults`.
"""
