"""Writers around a writer, which change what it writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy

from cf_llama_emulator.wire.engine_protocol import Call, End
from cf_llama_emulator.wire.writers import Event, Writer

Change = Callable[[str, list[Event]], list[Event]]


class FaultyWriter(Writer):
    """Another writer, whose events are changed step by step."""

    def __init__(self, writer: Writer, changes: Sequence[Change]) -> None:
        """Change what `writer` returns."""
        super().__init__(writer.model, writer.prompt_tokens)
        self._writer, self._changes = writer, changes

    def start(self) -> list[Event]:  # noqa: D102 - see Writer
        return self._changed("start", self._writer.start())

    def text(self, text: str) -> list[Event]:  # noqa: D102 - see Writer
        return self._changed("text", self._writer.text(text))

    def call(self, call: Call) -> list[Event]:  # noqa: D102 - see Writer
        return self._changed("call", self._writer.call(call))

    def finish(self, end: End) -> list[Event]:  # noqa: D102 - see Writer
        return self._changed("finish", self._writer.finish(end))

    def whole(self, text: str, calls: Sequence[Call], end: End) -> Event:  # noqa: D102 - see Writer
        return self._changed("whole", [self._writer.whole(text, calls, end)])[0]

    def _changed(self, step: str, events: list[Event]) -> list[Event]:
        for change in self._changes:
            events = change(step, deepcopy(events))
        return events


def last_text_with_finish() -> Change:
    """Return a change by which the last text rides on the event that ends the answer.

    Which text is the last shows only at the end, so each goes out when the next one comes.
    """
    held: list[Event] = []

    def change(step: str, events: list[Event]) -> list[Event]:
        due, held[:] = held[:], events if step == "text" else []
        if step == "text":
            return due
        return _merge_text_into_finish(due, events) if step == "finish" else [*due, *events]

    return change


def _merge_text_into_finish(text: Sequence[Event], finish: list[Event]) -> list[Event]:
    ends = (event for event in finish if any(choice.get("finish_reason") for choice in event.get("choices", ())))
    carrier = next(ends, finish[-1])
    for event in text:
        carrier |= {key: event[key] for key in ("response",) if key in event}
        for choice, spoken in zip(carrier.get("choices", ()), event.get("choices", ()), strict=False):
            choice["delta"] = spoken["delta"]
    return finish
