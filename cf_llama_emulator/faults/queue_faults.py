"""What can go wrong with a batch; decided when it is submitted, and kept with it."""

from __future__ import annotations

from cf_llama_emulator.faults.kinds import Fault, OnQueue
from cf_llama_emulator.faults.values import Number, OneOf

FORM, KEYED, NESTED, SHUFFLED = "queue-form", "queue-keyed", "queue-nested", "queue-shuffled"
ACCEPTED, MESSAGES, DELAY = "queue-accepted", "queue-messages", "queue-delay"
TEMPLATED, LIMIT = "queue-templated", "queue-limit"
FAILED, MISSING, STUCK, EXPIRED, BROKEN = (
    "queue-failed",
    "queue-missing",
    "queue-stuck",
    "queue-expired",
    "queue-broken",
)

_PAGE, _SEEN = "Cloudflare docs: Batch API", "public code that polls batches"

QUEUE_FAULTS: tuple[Fault, ...] = (
    OnQueue(
        FORM, "writes results as `responses`, as `results`, or bare where there is one", _SEEN, OneOf(("1", "2", "3"))
    ),
    OnQueue(
        KEYED,
        "says whose a result is by its number, by the reference, by both, or only by its place",
        _SEEN,
        OneOf(("both", "number", "reference", "none")),
    ),
    OnQueue(NESTED, "puts each result of form 1 into one more `result`", "older Cloudflare docs: Batch API"),
    OnQueue(SHUFFLED, "gives results in another order at each poll", _SEEN),
    OnQueue(ACCEPTED, "answers a submission with 202", _SEEN),
    OnQueue(MESSAGES, "takes items with messages, which the schema does not know", _SEEN),
    OnQueue(TEMPLATED, "takes prompts as what a user says, where the documented ones are continued", "made up"),
    OnQueue(LIMIT, "refuses batches of more items (5006)", "made up", Number("ITEMS", 50, 0, whole=True)),
    OnQueue(DELAY, "has no results for so many seconds", _PAGE, Number("SECONDS", 1)),
    OnQueue(FAILED, "lets this share of the items fail", _PAGE, Number("SHARE", 1, 0, 1)),
    OnQueue(MISSING, "leaves this share of the items out of the results", "made up", Number("SHARE", 1, 0, 1)),
    OnQueue(STUCK, "never comes to an end", _SEEN),
    OnQueue(EXPIRED, "knows nothing of the batch once it is done", "made up"),
    OnQueue(BROKEN, "lets the whole batch fail", "Cloudflare docs: event subscriptions", OneOf(("error", "status"))),
)
