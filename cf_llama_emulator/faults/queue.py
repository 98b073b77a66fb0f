"""What can go wrong with a batch; decided when it is submitted, and kept with it."""

from __future__ import annotations

from cf_llama_emulator.faults.kinds import Fault
from cf_llama_emulator.faults.values import Number, OneOf

FORM, KEYED, NESTED, SHUFFLED = "queue-form", "queue-keyed", "queue-nested", "queue-shuffled"
ACCEPTED, MESSAGES, DELAY = "queue-accepted", "queue-messages", "queue-delay"
FAILED, MISSING, STUCK, EXPIRED, BROKEN = (
    "queue-failed",
    "queue-missing",
    "queue-stuck",
    "queue-expired",
    "queue-broken",
)

_PAGE, _SEEN = "Cloudflare docs: Batch API", "public code that polls batches"

QUEUE: tuple[Fault, ...] = (
    Fault(FORM, "writes results as `responses`, as `results`, or bare where there is one", _SEEN, OneOf(tuple("123"))),
    Fault(
        KEYED,
        "says whose a result is by its number, by the reference, by both, or only by its place",
        _SEEN,
        OneOf(("both", "number", "reference", "none")),
    ),
    Fault(NESTED, "puts each result of form 1 into one more `result`", "older Cloudflare docs: Batch API"),
    Fault(SHUFFLED, "gives results in another order at each poll", _SEEN),
    Fault(ACCEPTED, "answers a submission with 202", _SEEN),
    Fault(MESSAGES, "takes items with messages, which the schema does not know", _SEEN),
    Fault(DELAY, "has no results for so many seconds", _PAGE, Number("SECONDS", 1)),
    Fault(FAILED, "lets this share of the items fail", _PAGE, Number("SHARE", 1, 0, 1)),
    Fault(MISSING, "leaves this share of the items out of the results", "made up", Number("SHARE", 1, 0, 1)),
    Fault(STUCK, "never comes to an end", _SEEN),
    Fault(EXPIRED, "knows nothing of the batch once it is done", "made up"),
    Fault(BROKEN, "lets the whole batch fail", "Cloudflare docs: event subscriptions", OneOf(("error", "status"))),
)
