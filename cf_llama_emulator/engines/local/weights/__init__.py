"""Weights of the local models: which there are, where they lie on this machine, and how they get there."""

from cf_llama_emulator.engines.local.weights.catalogue import CATALOGUE, DEFAULT, Carrier, Weights, lookup
from cf_llama_emulator.engines.local.weights.pull import NoObserver, PullError, PullObserver, pull

__all__ = ["CATALOGUE", "DEFAULT", "Carrier", "NoObserver", "PullError", "PullObserver", "Weights", "lookup", "pull"]
