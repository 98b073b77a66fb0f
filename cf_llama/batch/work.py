"""What to do next about some batches: a state machine that neither sends nor waits.

A driver asks for a `step`, sends its posting (or waits), tells how that went, and takes the outcomes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

from cf_llama.batch.failures import all_bad_input, is_bad_input, is_failed_execution, stops_asking, stops_sending
from cf_llama.batch.options import BatchOptions
from cf_llama.batch.packing import Submission, packed
from cf_llama.batch.steps import Pause, Poll, Step, Ticket
from cf_llama.batch.wire import Item, Outcome, Results, read_request_id, read_results
from cf_llama.protocol.errors import (
    BadResponseError,
    CapacityError,
    InvalidRequestError,
    QuotaExceededError,
    RequestTimeoutError,
    SubmissionInDoubtError,
    WorkersAIError,
)
from cf_llama.protocol.reply import Usage
from cf_llama.transport.json_call import Page, Posting

_GROWTH = 1.5


@dataclass(slots=True)
class Work:
    """Batches of items that `take` hands out, at most so many at a time, until it has none."""

    options: BatchOptions
    take: Callable[[int], Sequence[Item]]
    messages: bool = True
    """Whether items are written with messages."""
    stopped_by: WorkersAIError | None = None
    """Why nothing more is sent, where every other submission would fail alike."""
    ready: deque[Submission] = field(default_factory=deque)
    waiting: list[Poll] = field(default_factory=list)
    given_up: list[Poll] = field(default_factory=list)
    """Batches that have been taken and cannot be asked for, for the reason that stopped all."""
    _usage: Usage = field(default_factory=Usage)
    _finished: list[Outcome] = field(default_factory=list)
    _sent: deque[float] = field(default_factory=deque)
    _rest_until: float = -inf
    _refusals: int = 0

    def step(self, now: float) -> Step | None:
        """What to do next; None when all is done.

        Args:
            now: Seconds on a clock that never goes back.
        """
        first = min(self.waiting, key=lambda poll: poll.due, default=None)
        if first and first.due <= now:
            return first
        sending = self.submission(now) if len(self.waiting) < self.options.max_waiting else None
        if isinstance(sending, Submission):
            return sending
        pauses = [first.due - now] if first else []
        pauses += [sending.seconds] if sending else []
        return Pause(min(pauses)) if pauses else None

    def submission(self, now: float) -> Submission | Pause | None:
        """What to send next; None when there is nothing to send."""
        if self.stopped_by is None:
            self._fill()
        if self.stopped_by or not self.ready:
            return None
        allowed = max(self._rest_until, self._allowed(now))
        if allowed > now:
            return Pause(allowed - now)
        self._sent.append(now)
        submission = self.ready.popleft()
        submission.first = min(submission.first, now)
        return submission

    def resume(self, ticket: Ticket, items: Sequence[Item], now: float, *, messages: bool = False) -> None:
        """Ask for a batch that has been taken before.

        Args:
            ticket: By what it is asked for.
            items: Its questions, as far as they are known.
            now: As in `step`.
            messages: Whether they may have been written with messages, and are to be sent anew where these are refused.
        """
        posting = Posting(model=ticket.model, content={"request_id": ticket.request_id}, repeatable=True)
        pause, deadline = max(self.options.first_poll, 0.001), now + self.options.deadline
        self.waiting.append(Poll(ticket, items, posting, now, pause, deadline, messages))

    def done(self, step: Submission | Poll, page: Page, now: float) -> None:
        """A posting has been answered."""
        try:
            if isinstance(step, Submission):
                self._taken(step, page, now)
            else:
                self._polled(step, page, now)
        except WorkersAIError as error:
            self._settle(step, error)

    def failed(self, step: Submission | Poll, error: WorkersAIError, now: float) -> None:
        """A posting was refused, or nothing came of it."""
        if isinstance(step, Poll):
            self._unanswered(step, error, now)
        elif self.messages and self.options.items == "auto" and is_bad_input(error):
            self.messages = False
            self._again([item for each in (step, *self._taken_back()) for item in each.items])
        elif stops_sending(error):
            self.stopped_by = error
            self.ready.appendleft(step)
        elif isinstance(error, InvalidRequestError) and len(step.items) > 1:  # one bad item spoils all: find it
            half = len(step.items) // 2
            self._again(step.items[half:])
            self._again(step.items[:half])
        elif error.is_retryable and now < step.first + self.options.deadline:
            self._rest(step, error, now)
        else:
            self._settle(step, error)

    def finished(self) -> list[Outcome]:
        """The outcomes since the last call."""
        finished, self._finished = self._finished, []
        return finished

    def rest(self) -> Iterator[Outcome]:
        """The outcomes that are left once there is no further step: what cannot be sent or asked for fails alike."""
        yield from self.finished()
        for step in self.given_up:
            yield from (Outcome(reference=name, error=self.stopped_by) for name in step.references)
        while self.stopped_by and (items := self._unsent()):
            yield from (Outcome(reference=item.reference, error=self.stopped_by) for item in items)

    def spent(self) -> Usage:
        """What the results since the last call used."""
        spent, self._usage = self._usage, Usage()
        return spent

    def _unsent(self) -> Sequence[Item]:
        return self.ready.popleft().items if self.ready else self.take(self.options.max_items)

    def _fill(self) -> None:
        while not self.ready and (items := self.take(self.options.max_items)):
            self.ready.extend(self._packed(items))

    def _again(self, items: Sequence[Item]) -> None:
        self.ready.extendleft(reversed(self._packed(items)))

    def _taken_back(self) -> list[Submission]:
        """What was ready to be sent, to be written anew."""
        ready = list(self.ready)
        self.ready.clear()
        return ready

    def _packed(self, items: Sequence[Item]) -> list[Submission]:
        """Submissions of these items; an item that cannot be written is finished here."""
        submissions, refused = packed(items, messages=self.messages, max_bytes=self.options.max_bytes)
        self._finished += refused
        return submissions

    def _allowed(self, now: float) -> float:
        """When the rate limit lets the next batch go."""
        while self._sent and self._sent[0] <= now - 60:
            self._sent.popleft()
        return self._sent[0] + 60 if len(self._sent) >= self.options.per_minute else now

    def _taken(self, step: Submission, page: Page, now: float) -> None:
        try:
            request_id = read_request_id(page)
        except BadResponseError as error:
            self._answered(step, page, error)
            return
        self._refusals = 0
        ticket = Ticket(request_id, step.posting.model, step.references)
        self.resume(ticket, step.items, now, messages=step.messages)
        self.waiting[-1].due = now + self.options.first_poll

    def _answered(self, step: Submission, page: Page, unnamed: BadResponseError) -> None:
        """Take the results of a batch that was not queued, but answered at once."""
        try:
            results = read_results(page, step.items)
        except WorkersAIError:
            results = None
        if results is None:
            raise SubmissionInDoubtError(unnamed.message, **unnamed.details())
        self._refusals = 0
        self._keep(results)

    def _polled(self, step: Poll, page: Page, now: float) -> None:
        results = read_results(page, step.items)
        if results is None:
            self._later(step, now)
            return
        self.waiting.remove(step)
        if step.messages and self.options.items == "auto" and all_bad_input(results.outcomes):
            self.messages = False
            self._again(step.items)
        else:
            self._keep(results)

    def _keep(self, results: Results) -> None:
        self._usage += results.usage
        self._finished += results.outcomes
        spent = (each.error for each in results.outcomes if isinstance(each.error, QuotaExceededError))
        self.stopped_by = self.stopped_by or next(spent, None)

    def _unanswered(self, step: Poll, error: WorkersAIError, now: float) -> None:
        if stops_asking(error):
            self.stopped_by = error
            self.waiting.remove(step)
            self.given_up.append(step)
        elif is_failed_execution(error):
            self._settle(step, error)
        elif error.is_retryable or isinstance(error, BadResponseError):  # a page from something in between
            self._later(step, now, error)
        else:  # most likely it is forgotten; asked anew, its questions can still be answered
            lost = error.details() | {"is_retryable": True}
            self._settle(step, SubmissionInDoubtError(f"the batch is lost: {error.message}", **lost))

    def _later(self, step: Poll, now: float, error: WorkersAIError | None = None) -> None:
        """Ask again after a while, or no more: then there may be answers that nobody has seen."""
        if now >= step.deadline:
            reason = f", the last time: {error.message}" if error else ""
            text = f"no results in {self.options.deadline:g} s{reason}; it may still be asked for by its request_id"
            self._settle(step, RequestTimeoutError(f"{text} {step.ticket.request_id}"))
            return
        asked = error.retry_after or 0 if error else 0
        step.due = min(now + max(step.pause, asked), step.deadline)
        step.pause = min(step.pause * _GROWTH, self.options.longest_poll)

    def _rest(self, step: Submission, error: WorkersAIError, now: float) -> None:
        """Send nothing for a while: what was refused for lack of capacity is refused again for some time."""
        self._refusals += 1
        longest = self.options.capacity_pause * (1 if isinstance(error, CapacityError) else 1 / 4)
        pause = min(longest * 2 ** (self._refusals - 1), longest * 4)
        self._rest_until = now + (pause if error.retry_after is None else error.retry_after)
        self.ready.appendleft(step)

    def _settle(self, step: Submission | Poll, error: WorkersAIError) -> None:
        if isinstance(step, Poll):
            self.waiting.remove(step)
        self._finished += [Outcome(reference=name, error=error) for name in step.references]
