"""A batch that outlives its process: each of its rows ends exactly once, as an answer or as an error."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any, Self

from cf_llama.batch.actions import Action, Pause, Poll
from cf_llama.batch.journal import Journal, Progress
from cf_llama.batch.options import BatchOptions
from cf_llama.batch.packing import Submission
from cf_llama.batch.payloads import Item, Outcome
from cf_llama.batch.reservations import Reservations
from cf_llama.batch.scheduler import BatchScheduler
from cf_llama.config.budget import budgets_of
from cf_llama.protocol.errors import QuotaExceededError, RequestTimeoutError, SubmissionInDoubtError, WorkersAIError
from cf_llama.transport.json_call import JSONResponse
from cf_llama.transport.transport import Transport

__all__ = ["Item", "Job", "Progress"]

_REPORT_INTERVAL = 0.5  # seconds between two reports of the progress


@dataclass(slots=True)
class Job:
    """Rows in a journal that are sent through the queue; after a kill, `open` and `run` continue.

    The service cannot be asked what it has taken. A row is doubtful where it may have been sent without its batch's id
    having come back, or was sent again although an answer to the first request may still have been billed.

    Args:
        journal: Its file.
        attempts: How often a row is asked before a failure that may pass counts.
        retry_in_doubt: Whether rows that may have been sent are asked again, possibly billed twice; otherwise they
            fail. Either way their results say `doubtful`.
    """

    journal: Journal
    attempts: int = field(default=3, kw_only=True)
    retry_in_doubt: bool = field(default=True, kw_only=True)
    _reservations: Reservations = field(default_factory=Reservations, init=False, repr=False)

    @classmethod
    def open(cls, path: str | Path, **choices: Any) -> Self:
        """Open the job with this journal, new or continued.

        Raises:
            JournalError: another process has it open, the file is no journal, or the disk fails.
        """
        return cls(Journal(path), **choices)

    def add(self, items: Iterable[Item]) -> int:
        """Add rows; existing ones stay unchanged.

        Returns:
            How many are new.

        Raises:
            InvalidRequestError: a reference is there, or comes twice, with different requests; none has been added.
        """
        return self.journal.add(items)

    def run(
        self,
        transport: Transport,
        options: BatchOptions | None = None,
        on_progress: Callable[[Progress], object] = lambda _: None,
    ) -> Progress:
        """Run until every row has ended.

        Args:
            transport: Where to.
            options: How batches are cut, sent and waited for.
            on_progress: Called now and then how far the job is.

        Raises:
            WorkersAIError: every other batch would fail alike (credentials, quota, budget); run it again when that is
                mended.
        """
        scheduler, reporter = self._start(options, transport), _ProgressReporter(self.journal, on_progress)
        with closing(self._reservations):
            while (action := scheduler.next_action(monotonic())) is not None:
                reporter.report_if_due()
                self._perform(scheduler, action, transport)
            return self._end(scheduler, reporter)

    async def arun(
        self,
        transport: Transport,
        options: BatchOptions | None = None,
        on_progress: Callable[[Progress], object] = lambda _: None,
    ) -> Progress:
        """Run until every row has ended; see `run`. Writing the journal blocks the event loop for milliseconds."""
        scheduler, reporter = self._start(options, transport), _ProgressReporter(self.journal, on_progress)
        with closing(self._reservations):
            while (action := scheduler.next_action(monotonic())) is not None:
                reporter.report_if_due()
                await self._aperform(scheduler, action, transport)
            return self._end(scheduler, reporter)

    def results(self) -> Iterator[dict[str, Any]]:
        """Yield each row that has ended, in the order of adding.

        A result has the `reference`; `text`, `finish_reason` and perhaps `tool_calls` and `usage`, or `error`; and
        `doubtful` where that is so.
        """
        return self.journal.results()

    def close(self) -> None:
        """Close the journal."""
        self.journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def _start(self, options: BatchOptions | None, transport: Transport) -> BatchScheduler:
        """The scheduler of the remaining work, including batches in flight."""
        self.journal.recover(again=self.retry_in_doubt)
        options = options or BatchOptions()
        messages = options.items != "prompt" and self.journal.fact("messages", default=True)
        self._reservations = Reservations(self.journal.take, budgets_of(transport.connection.budget))
        scheduler = BatchScheduler(options, self._reservations.take, messages=messages)
        for ticket, items in self.journal.waiting():
            scheduler.resume(ticket, items, monotonic(), messages=True)
        return scheduler

    def _end(self, scheduler: BatchScheduler, reporter: _ProgressReporter) -> Progress:
        self._settle(scheduler)
        self._reservations.release([item for submission in scheduler.ready for item in submission.items])
        progress = reporter.now()
        if scheduler.stopped_by:
            raise scheduler.stopped_by
        return progress

    def _perform(self, scheduler: BatchScheduler, action: Action, transport: Transport) -> None:
        if isinstance(action, Pause):
            time.sleep(action.seconds)
            return
        batch = self._sending(action)
        try:
            response = transport.post(action.request)
        except WorkersAIError as error:
            self._failed(scheduler, action, error)
        else:
            self._done(scheduler, action, response, batch)

    async def _aperform(self, scheduler: BatchScheduler, action: Action, transport: Transport) -> None:
        if isinstance(action, Pause):
            await asyncio.sleep(action.seconds)
            return
        batch = self._sending(action)
        try:
            response = await transport.apost(action.request)
        except WorkersAIError as error:
            self._failed(scheduler, action, error)
        else:
            self._done(scheduler, action, response, batch)

    def _sending(self, action: Submission | Poll) -> int:
        return self.journal.sending(action.items, action.request.model) if isinstance(action, Submission) else 0

    def _failed(self, scheduler: BatchScheduler, action: Submission | Poll, error: WorkersAIError) -> None:
        if isinstance(action, Submission) and not isinstance(error, SubmissionInDoubtError):
            self.journal.not_sent(action.items)
        scheduler.failed(action, error, monotonic())
        self._settle(scheduler)

    def _done(self, scheduler: BatchScheduler, action: Submission | Poll, response: JSONResponse, batch: int) -> None:
        before = len(scheduler.waiting)
        scheduler.succeeded(action, response, monotonic())
        if len(scheduler.waiting) > before:
            self.journal.queued(batch, scheduler.waiting[-1].ticket.request_id, action.items)
        self._settle(scheduler)

    def _settle(self, scheduler: BatchScheduler) -> None:
        if scheduler.messages != self.journal.fact("messages", default=True):
            self.journal.note("messages", scheduler.messages)
        ended: list[Outcome] = []
        again: list[Outcome] = []
        for outcome in self._reservations.settled(scheduler.take_outcomes()):
            (again if self._should_retry(outcome) else ended).append(outcome)
        self.journal.settle(ended, again, _doubtful_references([*ended, *again]), scheduler.take_usage())

    def _should_retry(self, outcome: Outcome) -> bool:
        error = outcome.error
        if isinstance(error, QuotaExceededError):  # it stops the job, and is no fault of the row
            return True
        if error is None or self.journal.attempts(outcome.reference) + 1 >= self.attempts:
            return False
        return self.retry_in_doubt if _is_doubtful(error) else error.is_retryable


@dataclass(slots=True)
class _ProgressReporter:
    """Reports the progress at intervals, because counting the rows of a large job takes time."""

    journal: Journal
    on_progress: Callable[[Progress], object]
    last_report: float = -inf

    def report_if_due(self) -> None:
        if monotonic() - self.last_report >= _REPORT_INTERVAL:
            self.now()

    def now(self) -> Progress:
        self.last_report = monotonic()
        progress = self.journal.progress
        self.on_progress(progress)
        return progress


def _doubtful_references(outcomes: Sequence[Outcome]) -> set[str]:
    return {outcome.reference for outcome in outcomes if outcome.error and _is_doubtful(outcome.error)}


def _is_doubtful(error: WorkersAIError) -> bool:
    """Whether an answer may have been lost; a timeout with a code is the service's own."""
    return isinstance(error, SubmissionInDoubtError) or (isinstance(error, RequestTimeoutError) and error.code is None)
