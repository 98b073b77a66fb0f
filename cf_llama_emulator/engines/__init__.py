"""Engines: what thinks behind the emulator."""
