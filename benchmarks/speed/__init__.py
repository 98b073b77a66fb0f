"""What a call costs, in one interleaved run with raw httpx, with models that talk to nobody, and with others."""
