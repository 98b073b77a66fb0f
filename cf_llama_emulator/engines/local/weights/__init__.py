"""Weights of the local models: the catalogue, the cache folder and the download.

Nothing that runs a model belongs in here.
"""

from cf_llama_emulator.engines.local.weights.catalogue import CATALOGUE, DEFAULT, Carrier, Weights, lookup
from cf_llama_emulator.engines.local.weights.pull import NoObserver, PullError, PullObserver, pull

__all__ = ["CATALOGUE", "DEFAULT", "Carrier", "NoObserver", "PullError", "PullObserver", "Weights", "lookup", "pull"]
