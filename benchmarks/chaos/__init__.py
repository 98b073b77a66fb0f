"""A run of many calls through everything that can go wrong."""
