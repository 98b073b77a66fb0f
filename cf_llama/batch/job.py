"""A batch that outlives its process: any number of rows, and each ends exactly once, as an answer or as an error."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any, Self

from cf_llama.batch.journal import Journal, Progress
from cf_llama.batch.options import BatchOptions
from cf_llama.batch.packing import Submission
from cf_llama.batch.steps import Pause, Poll, Step
from cf_llama.batch.wire import Item, Outcome
from cf_llama.batch.work import Work
from cf_llama.protocol.errors import QuotaExceededError, RequestTimeoutError, SubmissionInDoubtError, WorkersAIError
from cf_llama.transport.json_call import Page
from cf_llama.transport.transport import Transport

__all__ = ["Item", "Job", "Progress"]

_TELLING = 0.5  # seconds between two reports of the progress


@dataclass(slots=True)
class Job:
    """Rows in a journal, asked through the queue; after a kill at any moment, `open` and `run` go on.

    The service cannot be asked what it has taken. A row is doubtful where it may have been sent without its batch's id
    having come back, or was asked again although an answer to the first question may still have been billed.

    Args:
        journal: Its file.
        attempts: How often a row is asked before a failure that may pass counts.
        again_in_doubt: Whether rows that may have been sent are asked again, possibly billed twice; otherwise they
            fail. Either way their results say `doubtful`.
    """

    journal: Journal
    attempts: int = field(default=3, kw_only=True)
    again_in_doubt: bool = field(default=True, kw_only=True)

    @classmethod
    def open(cls, path: str | Path, **choices: Any) -> Self:
        """The job whose journal is this file, new or as it was left.

        Raises:
            JournalError: another process has it open, the file is no journal, or the disk fails.
        """
        return cls(Journal(path), **choices)

    def add(self, items: Iterable[Item]) -> int:
        """Add rows; those that are there already are left as they are.

        Returns:
            How many are new.

        Raises:
            InvalidRequestError: a reference is there, or comes twice, with different questions; none has been added.
        """
        return self.journal.add(items)

    def run(
        self,
        transport: Transport,
        options: BatchOptions | None = None,
        watch: Callable[[Progress], object] = lambda _: None,
    ) -> Progress:
        """Ask until every row has ended.

        Args:
            transport: Where to.
            options: How batches are cut, sent and waited for.
            watch: Told now and then how far the job is.

        Raises:
            WorkersAIError: every other batch would fail alike (credentials, quota); run it again when that is mended.
        """
        work, watched = self._begun(options), _Watched(self.journal, watch)
        while (step := work.step(monotonic())) is not None:
            watched.now_and_then()
            self._do(work, step, transport)
        return self._ended(work, watched)

    async def arun(
        self,
        transport: Transport,
        options: BatchOptions | None = None,
        watch: Callable[[Progress], object] = lambda _: None,
    ) -> Progress:
        """Ask until every row has ended; see `run`. The journal is written between the requests, for milliseconds."""
        work, watched = self._begun(options), _Watched(self.journal, watch)
        while (step := work.step(monotonic())) is not None:
            watched.now_and_then()
            await self._ado(work, step, transport)
        return self._ended(work, watched)

    def results(self) -> Iterator[dict[str, Any]]:
        """Each row that has ended, in the order they were added.

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

    def _begun(self, options: BatchOptions | None) -> Work:
        """The work that is left, with the batches that are under way."""
        self.journal.recover(again=self.again_in_doubt)
        options = options or BatchOptions()
        messages = options.items != "prompt" and self.journal.fact("messages", default=True)
        work = Work(options, self.journal.take, messages=messages)
        for ticket, items in self.journal.waiting():
            work.resume(ticket, items, monotonic(), messages=True)
        return work

    def _ended(self, work: Work, watched: _Watched) -> Progress:
        self._settle(work)
        progress = watched.now()
        if work.stopped_by:
            raise work.stopped_by
        return progress

    def _do(self, work: Work, step: Step, transport: Transport) -> None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return
        batch = self._sending(step)
        try:
            page = transport.post(step.posting)
        except WorkersAIError as error:
            self._failed(work, step, error)
        else:
            self._done(work, step, page, batch)

    async def _ado(self, work: Work, step: Step, transport: Transport) -> None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return
        batch = self._sending(step)
        try:
            page = await transport.apost(step.posting)
        except WorkersAIError as error:
            self._failed(work, step, error)
        else:
            self._done(work, step, page, batch)

    def _sending(self, step: Submission | Poll) -> int:
        return self.journal.sending(step.items, step.posting.model) if isinstance(step, Submission) else 0

    def _failed(self, work: Work, step: Submission | Poll, error: WorkersAIError) -> None:
        if isinstance(step, Submission) and not isinstance(error, SubmissionInDoubtError):
            self.journal.not_sent(step.items)
        work.failed(step, error, monotonic())
        self._settle(work)

    def _done(self, work: Work, step: Submission | Poll, page: Page, batch: int) -> None:
        before = len(work.waiting)
        work.done(step, page, monotonic())
        if len(work.waiting) > before:
            self.journal.queued(batch, work.waiting[-1].ticket.request_id, step.items)
        self._settle(work)

    def _settle(self, work: Work) -> None:
        if work.messages != self.journal.fact("messages", default=True):
            self.journal.note("messages", work.messages)
        ended: list[Outcome] = []
        again: list[Outcome] = []
        for outcome in work.finished():
            (again if self._worth_asking(outcome) else ended).append(outcome)
        self.journal.settle(ended, again, _doubtful([*ended, *again]), work.spent())

    def _worth_asking(self, outcome: Outcome) -> bool:
        error = outcome.error
        if isinstance(error, QuotaExceededError):  # it stops the job, and is no fault of the row
            return True
        if error is None or self.journal.attempts(outcome.reference) + 1 >= self.attempts:
            return False
        return self.again_in_doubt if _is_doubtful(error) else error.is_retryable


@dataclass(slots=True)
class _Watched:
    """Tells the progress now and then, as to count the rows of a large job takes a while."""

    journal: Journal
    watch: Callable[[Progress], object]
    told: float = -inf

    def now_and_then(self) -> None:
        if monotonic() - self.told >= _TELLING:
            self.now()

    def now(self) -> Progress:
        self.told = monotonic()
        progress = self.journal.progress
        self.watch(progress)
        return progress


def _doubtful(outcomes: Sequence[Outcome]) -> set[str]:
    return {outcome.reference for outcome in outcomes if outcome.error and _is_doubtful(outcome.error)}


def _is_doubtful(error: WorkersAIError) -> bool:
    """Whether there may be an answer that nobody has seen; a time-out with a code was the service's own."""
    return isinstance(error, SubmissionInDoubtError) or (isinstance(error, RequestTimeoutError) and error.code is None)
