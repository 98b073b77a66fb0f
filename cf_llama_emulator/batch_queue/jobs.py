"""The jobs, in memory and optionally in a file that survives a restart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MEMORY = 1000
"""How many jobs are known; the oldest are forgotten first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One batch."""

    request_id: str
    model: str
    submitted: float
    """Seconds since 1970."""
    requests: Sequence[Mapping[str, Any]]
    faults: Mapping[str, Any]
    """What goes wrong with it, by the name of the fault; decided when it was submitted."""
    answers: Sequence[Mapping[str, Any] | None] | None = None
    """One for each request, None for one that goes missing; None while there are none."""


class Jobs:
    """The jobs by their id; a file takes a line for each change, so that a kill loses at most the line it broke."""

    def __init__(self, path: str | Path | None = None) -> None:
        """Read what the file holds; None keeps the jobs in memory alone.

        Raises:
            ValueError: the file cannot be written.
        """
        self._path = None if path is None else Path(path)
        self._jobs: dict[str, Job] = {}
        if self._path is not None:
            try:
                self._path.open("ab").close()
            except OSError as error:
                raise ValueError(f"queue_file {path} cannot be written: {error.strerror}") from error
            for line in self._path.read_bytes().splitlines():
                self._restore(line)

    def find(self, request_id: Any) -> Job | None:
        """Return the job with this id."""
        return self._jobs.get(request_id) if isinstance(request_id, str) else None

    def put(self, job: Job) -> None:
        """Keep a job, new or changed."""
        self._remember(job)
        if self._path is not None:
            with self._path.open("ab") as file:  # a line feed first: the line before may be broken
                file.write(b"\n" + json.dumps(asdict(job), default=dict).encode())

    def _restore(self, line: bytes) -> None:
        try:
            job = Job(**json.loads(line))
        except (ValueError, TypeError):  # a blank line, or one that a kill broke
            return
        self._remember(job)

    def _remember(self, job: Job) -> None:
        self._jobs[job.request_id] = job
        for oldest in list(self._jobs)[:-MEMORY]:
            del self._jobs[oldest]
