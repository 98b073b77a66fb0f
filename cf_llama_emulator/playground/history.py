"""The requests that the emulator has answered, with the answers, for the page to show."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from cf_llama_emulator.server.access_log import AccessLogEntry

MOST_REQUESTS = 1000
MOST_BYTES = 50_000_000
"""Of requests and answers together; the oldest are dropped first."""

LONGEST_ANSWER = 200_000
"""Bytes of an answer that are kept."""

MOST_AT_ONCE = 200
"""Requests in one page of the history, the newest."""

EXCERPT = 160
"""Characters of a request shown in a list."""

_TEMPLATE = re.compile(r"<\|start_header_id\|>\w*<\|end_header_id\|>|<\|\w+\|>")
"""What separates the texts in the model's template."""


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """A request, what became of it, and its answer."""

    number: int
    """From 1, in the order in which the answers ended."""
    entry: AccessLogEntry
    content: bytes
    answer: bytes
    answer_is_cut: bool

    def summary(self) -> dict[str, Any]:
        """Return what a list shows of it."""
        fields = asdict(self.entry) | {"time": self.entry.time.isoformat(timespec="milliseconds")}
        return fields | {"number": self.number, "excerpt": excerpt(self.content)}

    def whole(self) -> dict[str, Any]:
        """Return it with request and answer as text."""
        texts = {"content": self.content.decode(errors="replace"), "answer": self.answer.decode(errors="replace")}
        return self.summary() | texts | {"answer_is_cut": self.answer_is_cut}

    def holds(self, text: str) -> bool:
        """Whether `text` stands in the request, its route, model, status or faults; case does not matter."""
        entry = self.entry
        where = f"{entry.method} {entry.route} {entry.status} {entry.model} {entry.faults}".lower()
        content = self.content.decode(errors="replace").lower()
        query = text.lower()
        return query in where or query in content or json.dumps(query)[1:-1] in content


@dataclass(slots=True)
class RecordedAnswer:
    """The beginning of an answer's body."""

    content: bytearray = field(default_factory=bytearray)
    is_cut: bool = False

    def add(self, body: bytes) -> None:
        """Add what was sent, up to the longest that is kept."""
        room = LONGEST_ANSWER - len(self.content)
        self.content += body[:room]
        self.is_cut = self.is_cut or len(body) > room


class History:
    """Answered requests, oldest first; bounded."""

    def __init__(self, most: int = MOST_REQUESTS, size: int = MOST_BYTES) -> None:
        """Keep at most `most` requests and `size` bytes."""
        self._answered: deque[AnsweredRequest] = deque()
        self._most, self._size, self._held, self._last = most, size, 0, 0

    def add(self, entry: AccessLogEntry, state: Mapping[str, Any]) -> None:
        """Add a request whose answer has ended.

        Args:
            entry: What became of it.
            state: The state of the request: `answer`, and `read_request` if a handler was reached.
        """
        content = state["read_request"].content if "read_request" in state else b""
        answer: RecordedAnswer = state["answer"]
        self._last += 1
        self._answered.append(AnsweredRequest(self._last, entry, content, bytes(answer.content), answer.is_cut))
        self._held += len(content) + len(answer.content)
        while self._answered and (len(self._answered) > self._most or self._held > self._size):
            oldest = self._answered.popleft()
            self._held -= len(oldest.content) + len(oldest.answer)

    def since(self, number: int, text: str = "") -> dict[str, Any]:
        """Return the newest requests after `number` that hold `text`, oldest first, and the last number there is."""
        found: list[dict[str, Any]] = []
        for answered in reversed(self._answered):
            if answered.number <= number or len(found) == MOST_AT_ONCE:
                break
            if not text or answered.holds(text):
                found.append(answered.summary())
        return {"last": self._last, "requests": found[::-1]}

    def find(self, number: int) -> dict[str, Any] | None:
        """Return one request as a whole, or None if it is not, or no longer, there."""
        return next((each.whole() for each in self._answered if each.number == number), None)


class AnswerRecorder:
    """Middleware that keeps the beginning of each answer in the state of its request."""

    def __init__(self, app: ASGIApp) -> None:
        """Serve `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        answer = scope["state"]["answer"] = RecordedAnswer()

        async def recording(message: Message) -> None:
            if message["type"] == "http.response.body":
                answer.add(message.get("body", b""))
            await send(message)

        await self._app(scope, receive, recording)


def excerpt(content: bytes) -> str:
    """Return the last words of a conversation, or the beginning of what is none."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    first = next((text for text in _texts_of(body) if text), content[: 4 * EXCERPT].decode(errors="replace"))
    line = " ".join(first.split())
    return line if len(line) <= EXCERPT else f"{line[:EXCERPT]}…"


def _texts_of(body: Any) -> Iterator[str]:
    """Yield the texts of a body, the latest first."""
    if not isinstance(body, dict):
        return
    if isinstance(body.get("input"), dict):
        body = body["input"]
    if isinstance(body.get("prompt"), str):
        yield _last_turn(body["prompt"])
    messages = body.get("messages")
    for message in reversed(messages if isinstance(messages, list) else []):
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, str):
            yield content


def _last_turn(prompt: str) -> str:
    """Return the last text in a prompt of the model's template, or a prompt of another kind as it is."""
    texts = [text for text in map(str.strip, _TEMPLATE.split(prompt)) if text]
    return texts[-1] if texts else prompt
