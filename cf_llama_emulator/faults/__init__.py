"""What can go wrong on purpose: each fault a small transformation, all of them in one catalogue.

A plan of faults is written as text, `name[=value], name[=value], ...`, wherever it is given: in a request's
`x-emulator-faults` header, in the emulator's settings, or before an answer of a script. What the service does without
being told to belongs in `wire` or `server`.
"""

from cf_llama_emulator.faults.catalogue import CATALOGUE
from cf_llama_emulator.faults.plan import HEADER, NO_FAULTS, FaultState, Plan, combined, read_brought, read_plan

__all__ = ["CATALOGUE", "HEADER", "NO_FAULTS", "FaultState", "Plan", "combined", "read_brought", "read_plan"]
