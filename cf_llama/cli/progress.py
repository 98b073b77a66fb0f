"""Progress of a model download in the terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from cf_llama_emulator.engines.local.weights.sources import Source


class ProgressBar:
    """Shows source, size, speed and remaining time of a download."""

    def __init__(self, console: Console, size: int) -> None:
        """Draw on `console` a bar of `size` bytes."""
        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console)
        self._size = size
        self._task = self._progress.add_task("", total=size, visible=False)

    def trying(self, source: Source) -> None:
        """Print the source."""
        self._progress.start()
        self._progress.console.print(f"from {source}", soft_wrap=True, highlight=False, markup=False)

    def received(self, done: int) -> None:
        """Update the bar. Bytes from before the start do not count for the speed."""
        if not self._progress.tasks[0].visible:
            self._progress.reset(self._task, total=self._size, completed=done, visible=True)
        self._progress.update(self._task, completed=done)

    def failed(self, source: Source, reason: str) -> None:
        """Print why a source failed."""
        del source  # named a line above
        self._progress.console.print(f"  failed: {reason}", soft_wrap=True, highlight=False, markup=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()
