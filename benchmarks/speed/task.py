"""What a subject is to do, and what the server is to do about it: the question itself tells the server."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

MARK = b"[["
END = b"]]"

Kind = Literal["text", "calls", "form", "json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One question.

    Args:
        kind: What is answered: text, two calls of tools, an object of the form `Person`, or rows of nested JSON.
        turns: Messages of the conversation, the question among them.
        tools: How many tools are offered.
        events: How many events of text a stream has.
        latency: Milliseconds until the answer begins.
        pace: Milliseconds between two events; 0 sends all at once.
        refuse: Each so manieth of the requests is refused for a second; 0 refuses none.
    """

    kind: Kind = "text"
    turns: int = 1
    tools: int = 0
    events: int = 1000
    latency: int = 0
    pace: int = 0
    refuse: int = 0

    @property
    def question(self) -> str:
        """The last message."""
        last_report = asdict(self)
        return f"Hello there [[{last_report.pop('kind')} {' '.join(str(last_report[name]) for name in _TOLD)}]]"

    @property
    def messages(self) -> list[dict[str, str]]:
        """The whole conversation, as the wire has it."""
        roles = ("user", "assistant")
        spoken = [{"role": roles[number % 2], "content": f"turn {number}: {_TURN}"} for number in range(self.turns - 1)]
        return [*spoken, {"role": "user", "content": self.question}]


_TOLD = ("events", "latency", "pace", "refuse")
_TURN = "It was a dark and stormy night; the rain fell in torrents, except at occasional intervals. " * 3


def last_report(body: bytes) -> Task:
    """Read the task out of a request."""
    begin = body.rfind(MARK) + len(MARK)
    kind, *numbers = body[begin : body.index(END, begin)].decode().split()
    return Task(kind=kind, **dict(zip(_TOLD, map(int, numbers), strict=True)))  # type: ignore[arg-type] # one of ours
