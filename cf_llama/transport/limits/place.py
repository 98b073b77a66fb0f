"""What a gate keeps of one call."""

from __future__ import annotations

from math import inf

from cf_llama.transport.limits.pacer import Sent


class Place:
    """A call's place in the line of a gate, across its attempts.

    Args:
        deadline: When the time for the whole call is over, on the gate's clock.
        longest_wait: Seconds to wait for a place. None: as long as calls are let through, and two minutes more.
    """

    def __init__(self, deadline: float = inf, longest_wait: float | None = None) -> None:
        self.deadline, self.longest_wait = deadline, longest_wait
        self.number: int | None = None
        """The place in the order of asking; None until the call has had to wait."""
        self.asked_at = self.first_asked_at = 0.0
        """When it came into the line, this time and the first time."""
        self.waited = 0.0
        """Seconds spent in the line so far."""
        self.sent: Sent | None = None
        """The request, once it is let through."""
        self.counted_at: float | None = None
        """When the request was sent, where it was only counted, as no limit is in sight."""
        self.is_answered = self.is_in_line = False
        self.is_written_reported = False
        """Whether `Gate.written` will be called."""
        self.others = 0
        """Calls that were under way or waiting when the last request ended."""

    def __lt__(self, other: Place) -> bool:
        return id(self) < id(other)

    def wake(self) -> None:
        """Let the call look again; from any thread."""
        raise NotImplementedError
