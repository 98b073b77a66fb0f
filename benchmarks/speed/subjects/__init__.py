"""Who is measured: each can ask one question whole or in pieces, in either caller."""
