"""State machine that decides the next action for a set of batches. No I/O.

A driver calls `next_action`, sends its request (or sleeps), reports the result, and takes the outcomes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

from cf_llama.batch.actions import Action, Pause, Poll, Ticket
from cf_llama.batch.failures import all_bad_input, is_bad_input, is_failed_execution, stops_polling, stops_sending
from cf_llama.batch.options import BatchOptions
from cf_llama.batch.packing import Submission, pack
from cf_llama.batch.payloads import Item, Outcome, Results, read_request_id, read_results
from cf_llama.protocol.errors import (
    BadResponseError,
    BudgetExceededError,
    CapacityError,
    InvalidRequestError,
    QuotaExceededError,
    RequestTimeoutError,
    SubmissionInDoubtError,
    WorkersAIError,
)
from cf_llama.protocol.reply import Usage
from cf_llama.transport.json_call import JSONRequest, JSONResponse

_POLL_INTERVAL_GROWTH = 1.5


@dataclass(slots=True)
class BatchScheduler:
    """Schedules batches of the items that `take` returns, until it returns none."""

    options: BatchOptions
    take: Callable[[int], Sequence[Item]]
    """Returns the next items; raises BudgetExceededError if the next may cost more than is left."""
    messages: bool = True
    """Whether items are sent with messages."""
    stopped_by: WorkersAIError | None = None
    """The error that ended sending, because every other submission would fail alike."""
    ready: deque[Submission] = field(default_factory=deque)
    waiting: list[Poll] = field(default_factory=list)
    abandoned: list[Poll] = field(default_factory=list)
    """Submitted batches that cannot be polled, because of the error that ended sending."""
    _usage: Usage = field(default_factory=Usage)
    _finished: list[Outcome] = field(default_factory=list)
    _backoff_until: float = -inf
    _refusals: int = 0

    def next_action(self, now: float) -> Action | None:
        """The next action; None if all is done.

        Args:
            now: Seconds on a clock that never goes back.
        """
        first = min(self.waiting, key=lambda poll: poll.due, default=None)
        if first and first.due <= now:
            return first
        sending = self.next_submission(now) if len(self.waiting) < self.options.max_waiting else None
        if isinstance(sending, Submission):
            return sending
        pauses = [first.due - now] if first else []
        pauses += [sending.seconds] if sending else []
        return Pause(min(pauses)) if pauses else None

    def next_submission(self, now: float) -> Submission | Pause | None:
        """The next submission; None if there is nothing to send."""
        if self.stopped_by is None:
            self._fill()
        if self.stopped_by or not self.ready:
            return None
        if self._backoff_until > now:
            return Pause(self._backoff_until - now)
        submission = self.ready.popleft()
        submission.first = min(submission.first, now)
        return submission

    def resume(self, ticket: Ticket, items: Sequence[Item], now: float, *, messages: bool = False) -> None:
        """Continue polling a batch submitted before.

        Args:
            ticket: By what it is asked for.
            items: Its items, as far as they are known.
            now: As in `action`.
            messages: Whether they may have been written with messages, and are to be sent anew where these are refused.
        """
        request = JSONRequest(model=ticket.model, content={"request_id": ticket.request_id}, repeatable=True)
        pause, deadline = max(self.options.first_poll, 0.001), now + self.options.deadline
        self.waiting.append(Poll(ticket, items, request, now, pause, deadline, messages))

    def succeeded(self, action: Submission | Poll, response: JSONResponse, now: float) -> None:
        """Process the response to an action."""
        try:
            if isinstance(action, Submission):
                self._accepted(action, response, now)
            else:
                self._polled(action, response, now)
        except WorkersAIError as error:
            self._settle(action, error)

    def failed(self, action: Submission | Poll, error: WorkersAIError, now: float) -> None:
        """Process the failure of an action."""
        if isinstance(action, Poll):
            self._poll_failed(action, error, now)
        elif self.messages and self.options.items == "auto" and is_bad_input(error):
            self.messages = False
            self._requeue([item for each in (action, *self._take_ready()) for item in each.items])
        elif stops_sending(error):
            self.stopped_by = error
            self.ready.appendleft(action)
        elif isinstance(error, InvalidRequestError) and len(action.items) > 1:  # one bad item spoils all: find it
            half = len(action.items) // 2
            self._requeue(action.items[half:])
            self._requeue(action.items[:half])
        elif error.is_retryable and now < action.first + self.options.deadline:
            self._back_off(action, error, now)
        else:
            self._settle(action, error)

    def take_outcomes(self) -> list[Outcome]:
        """Return the outcomes since the last call."""
        finished, self._finished = self._finished, []
        return finished

    def remaining_outcomes(self) -> Iterator[Outcome]:
        """Yield the remaining outcomes after the last action: items that cannot be sent or polled fail."""
        yield from self.take_outcomes()
        for action in self.abandoned:
            yield from (Outcome(reference=name, error=self.stopped_by) for name in action.references)
        while self.stopped_by and (items := self._unsent()):
            yield from (Outcome(reference=item.reference, error=self.stopped_by) for item in items)

    def take_usage(self) -> Usage:
        """Return the usage since the last call."""
        spent, self._usage = self._usage, Usage()
        return spent

    def _unsent(self) -> Sequence[Item]:
        return self.ready.popleft().items if self.ready else self.take(self.options.max_items)

    def _fill(self) -> None:
        try:
            while not self.ready and (items := self.take(self.options.max_items)):
                self.ready.extend(self._pack(items))
        except BudgetExceededError as error:
            self.stopped_by = error

    def _requeue(self, items: Sequence[Item]) -> None:
        self.ready.extendleft(reversed(self._pack(items)))

    def _take_ready(self) -> list[Submission]:
        """Remove and return the submissions that are ready."""
        ready = list(self.ready)
        self.ready.clear()
        return ready

    def _pack(self, items: Sequence[Item]) -> list[Submission]:
        """Pack items; items that cannot be sent get their outcome here."""
        submissions, refused = pack(items, messages=self.messages, max_bytes=self.options.max_bytes)
        self._finished += refused
        return submissions

    def _accepted(self, action: Submission, response: JSONResponse, now: float) -> None:
        try:
            request_id = read_request_id(response)
        except BadResponseError as error:
            self._answered_directly(action, response, error)
            return
        self._refusals = 0
        ticket = Ticket(request_id, action.request.model, action.references)
        self.resume(ticket, action.items, now, messages=action.messages)
        self.waiting[-1].due = now + self.options.first_poll

    def _answered_directly(self, action: Submission, response: JSONResponse, unnamed: BadResponseError) -> None:
        """Read the results of a batch that was answered at once."""
        try:
            results = read_results(response, action.items)
        except WorkersAIError:
            results = None
        if results is None:
            raise SubmissionInDoubtError(unnamed.message, **unnamed.details())
        self._refusals = 0
        self._add_results(results)

    def _polled(self, action: Poll, response: JSONResponse, now: float) -> None:
        results = read_results(response, action.items)
        if results is None:
            self._poll_later(action, now)
            return
        self.waiting.remove(action)
        if action.messages and self.options.items == "auto" and all_bad_input(results.outcomes):
            self.messages = False
            self._requeue(action.items)
        else:
            self._add_results(results)

    def _add_results(self, results: Results) -> None:
        self._usage += results.usage
        self._finished += results.outcomes
        spent = (each.error for each in results.outcomes if isinstance(each.error, QuotaExceededError))
        self.stopped_by = self.stopped_by or next(spent, None)

    def _poll_failed(self, action: Poll, error: WorkersAIError, now: float) -> None:
        if stops_polling(error):
            self.stopped_by = error
            self.waiting.remove(action)
            self.abandoned.append(action)
        elif is_failed_execution(error):
            self._settle(action, error)
        elif error.is_retryable or isinstance(error, BadResponseError):  # a page from something in between
            self._poll_later(action, now, error)
        else:  # most likely it is forgotten; sent again, its items can still be answered
            lost = error.details() | {"is_retryable": True}
            self._settle(action, SubmissionInDoubtError(f"the batch is lost: {error.message}", **lost))

    def _poll_later(self, action: Poll, now: float, error: WorkersAIError | None = None) -> None:
        """Poll again later, or give up at the deadline."""
        if now >= action.deadline:
            reason = f", the last time: {error.message}" if error else ""
            text = f"no results in {self.options.deadline:g} s{reason}; it may still be asked for by its request_id"
            self._settle(action, RequestTimeoutError(f"{text} {action.ticket.request_id}"))
            return
        retry_after = error.retry_after or 0 if error else 0
        action.due = min(now + max(action.pause, retry_after), action.deadline)
        action.pause = min(action.pause * _POLL_INTERVAL_GROWTH, self.options.longest_poll)

    def _back_off(self, action: Submission, error: WorkersAIError, now: float) -> None:
        """Pause sending after a refusal for lack of capacity."""
        self._refusals += 1
        longest = self.options.capacity_pause * (1 if isinstance(error, CapacityError) else 1 / 4)
        pause = min(longest * 2 ** (self._refusals - 1), longest * 4)
        self._backoff_until = now + (pause if error.retry_after is None else error.retry_after)
        self.ready.appendleft(action)

    def _settle(self, action: Submission | Poll, error: WorkersAIError) -> None:
        if isinstance(action, Poll):
            self.waiting.remove(action)
        self._finished += [Outcome(reference=name, error=error) for name in action.references]
