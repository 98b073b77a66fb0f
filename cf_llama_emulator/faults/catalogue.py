"""All faults by name, in the order in which they apply."""

from __future__ import annotations

from textwrap import wrap

from cf_llama_emulator.faults.kinds import Fault
from cf_llama_emulator.faults.output_faults import OUTPUT_FAULTS, RIDING, STOP
from cf_llama_emulator.faults.queue_faults import QUEUE_FAULTS
from cf_llama_emulator.faults.refusals import REFUSALS
from cf_llama_emulator.faults.request_faults import REQUEST_FAULTS
from cf_llama_emulator.faults.transfer import TRANSFER_FAULTS
from cf_llama_emulator.faults.values import Number
from cf_llama_emulator.wire.tokens import CONTEXT_WINDOW

JSON_ANSWER, BARE, TIMES, BUSY, WINDOW = "json-answer", "bare", "times", "busy", "window"
"""The plain switches, which the app asks for."""

_SWITCHES: tuple[Fault, ...] = (
    Fault(
        TIMES,
        "modifies the others: they apply only to the first so many requests with the same body, as an outage would",
        "made up",
        Number("COUNT", 1, 1, 1e6, whole=True),
    ),
    Fault(JSON_ANSWER, "answers a request for a stream whole", "Cloudflare's own client libraries"),
    Fault(BARE, "leaves out the envelope around a whole answer", "Cloudflare docs: OpenAI compatible endpoints"),
    Fault(
        BUSY,
        "has no capacity for so long: lets requests wait, and refuses those with options.rejectIfBusy (3040)",
        "Cloudflare docs: reject if busy",
        Number("SECONDS", 10, 0, 600),
        early=True,
    ),
    Fault(
        WINDOW,
        "has a context window of this size, for input and max_tokens together (5021)",
        "Cloudflare docs: the model's page",
        Number("TOKENS", CONTEXT_WINDOW, 1, whole=True),
        early=True,
    ),
)

__all__ = ["BARE", "BUSY", "CATALOGUE", "JSON_ANSWER", "RIDING", "STOP", "TIMES", "WINDOW", "listing"]

CATALOGUE: dict[str, Fault] = {
    fault.name: fault
    for fault in (*_SWITCHES, *REQUEST_FAULTS, *REFUSALS, *OUTPUT_FAULTS, *TRANSFER_FAULTS, *QUEUE_FAULTS)
}
"""By name."""


_FOOTER = """\
Written NAME[=VALUE], NAME[=VALUE], ...; the value in brackets is taken where none is given. They come together: for
a request by its x-emulator-faults header, for a server by --fault. Of several refusals the first in this list is sent.
"none" alone takes away what the server has otherwise."""


def listing(width: int = 80) -> str:
    """Return the catalogue as text: each fault, its value and default, what it does and where it is known from.

    Args:
        width: Columns that a line may take.
    """
    entries = [line for fault in CATALOGUE.values() for line in _entry(fault, width)]
    return "\n".join([*entries, "", *wrap(_FOOTER, width, break_on_hyphens=False)])


def _entry(fault: Fault, width: int) -> list[str]:
    """Return the lines of a fault; long choices go on in the next line."""
    head = wrap(
        f"{fault.name}{fault.takes.hint}".replace("|", "| "),
        width,
        subsequent_indent=" " * 8,
        break_on_hyphens=False,
    )
    text = f"{fault.does} [{fault.known}]"
    indent = " " * 4
    does = wrap(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    return [*(line.replace("| ", "|") for line in head), *does]
