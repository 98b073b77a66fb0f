"""Asks a service whether it behaves as the reader and the emulator assume, in small experiments.

An experiment is data and a pure function of the answers. `client` alone touches a socket and does not use the
reader of `protocol`, which would hide what is odd. A statement about the service belongs in `experiments`; how it is
printed belongs in `cli`.
"""
