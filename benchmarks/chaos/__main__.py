"""Thousands of calls, both integrations and four ways each, through an emulator where anything may go wrong.

Run it as `make chaos`, or `python -m benchmarks.chaos --calls 20000 --seed 1`. It ends with status 1 when anything was
lost, doubled, crossed, hung or left behind.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from benchmarks.chaos import traces
from benchmarks.chaos.calls import WAYS, Caller, Outcome
from benchmarks.chaos.judge import Entry, complaints
from benchmarks.chaos.meaning import KINDS
from cf_llama.config.connection import Timeouts
from cf_llama.transport.http import clients

MARK = 1000
"""Calls between two lines of progress."""
AT_ONCE = 36
LEAVES = 0.04
"""How many callers go away in the middle."""
LONGEST = 60.0
"""Seconds after which a call counts as hung: three attempts, each of which may be waited for in full."""
TIMEOUTS = Timeouts(connect=10, read=3, stall=3)
BLOCKS, MEGABYTES = 0.8, 4.0
"""What may be left of each call in blocks of Python's memory, and of a thousand calls in that of the process.

The latter grows for a while, as threads keep what they have once had.
"""

ENOUGH_MARKS = 8
"""Fewer say nothing about growth."""
SOCKETS_OF_SERVICE = 3
"""It listens on one; asyncio wakes itself by two."""


@contextmanager
def service(seed: int, ledger: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Start the service in a process of its own; yield its process id and how to reach it."""
    command = [sys.executable, "-m", "benchmarks.chaos.service", str(seed), str(ledger)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own module
    try:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        names = ("base_url", "account_id", "api_token")
        yield process.pid, dict(zip(names, process.stdout.readline().split(), strict=True))
    finally:
        process.communicate(timeout=30)  # closes its input, which ends it


def planned(seed: int, keys: range) -> Iterator[Outcome]:
    """Yield calls to be made."""
    for key in keys:
        chance = random.Random(f"{seed} {key}")
        kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
        yield Outcome(key, kind, chance.choice(WAYS), leaves=chance.random() < LEAVES)


class Entries(defaultdict[int, list[Entry]]):
    """What the service has written down, by key."""

    def __init__(self, ledger: TextIO) -> None:
        """Read from `ledger`."""
        super().__init__(list)
        self._ledger, self._back_off = ledger, ""

    def read(self) -> None:
        """Read on; a line that is still being written waits."""
        *lines, self._back_off = (self._back_off + self._ledger.read()).split("\n")
        for entry in map(json.loads, lines):
            self[entry["key"]].append(entry)


class Run:
    """The figures of a run."""

    def __init__(self, calls: int) -> None:
        """Begin with nothing."""
        self.calls, self.begun = calls, time.monotonic()
        self.counts: Counter[str] = Counter()
        self.requests = 0
        self.faults: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.marks: list[tuple[int, traces.Traces]] = []

    def judge(self, outcome: Outcome, entries: list[Entry]) -> None:
        """Hold one outcome against the ledger."""
        self.requests += len(entries)
        self.counts.update(["answered" if outcome.whole else "failed" if outcome.error else "left"])
        self.faults.update(entry["fate"] for entry in entries)
        for complaint in complaints(outcome, entries):
            what = f"key {outcome.key}, {outcome.kind} by {outcome.way}{' (leaves)' if outcome.leaves else ''}"
            fates = " -> ".join(entry["faults"] for entry in entries)
            self.wrong.append(f"{what}: {complaint}\n    faults: {fates}")
            print(f"WRONG {self.wrong[-1]}", flush=True)
        if self.counts.total() % MARK == 0:
            self.progress()

    def progress(self) -> None:
        """Print one line."""
        mark, seconds, done = traces.here(), time.monotonic() - self.begun, self.counts.total()
        self.marks.append((done, mark))
        print(
            f"{done:>7,} of {self.calls:,} calls  {seconds:6.1f} s  {done / seconds:5.0f}/s  {len(self.wrong)} wrong  "
            f"{mark.sockets} sockets  {mark.threads} threads  {mark.tasks} tasks  "
            f"{mark.blocks:,} blocks  {mark.megabytes:.0f} MB",
            flush=True,
        )

    def growth(self) -> tuple[float, float]:
        """Return blocks of memory a call and megabytes a thousand calls, by the least of the second and last quarter.

        Calls under way hold memory as well, now more and now less; the least is what stays.
        """
        marks = self.marks[:-1] or self.marks  # at the end no call is under way
        quarter = max(len(marks) // 4, 1)
        second, last = marks[quarter : 2 * quarter] or marks[:1], marks[-quarter:]
        calls = max(last[0][0] - second[0][0], 1)
        blocks, megabytes = (
            min(mark[field] for _, mark in last) - min(mark[field] for _, mark in second) for field in (-2, -1)
        )
        return blocks / calls, megabytes * 1000 / calls


async def run(seed: int, run_: Run, caller: Caller, ledger: TextIO, pool: ThreadPoolExecutor) -> None:
    """Make the calls, many at once, in threads and in tasks, and judge each when it has ended."""
    calls, loop = planned(seed, range(run_.calls)), asyncio.get_running_loop()
    entries = Entries(ledger)

    async def scheduler() -> None:
        for call in calls:
            alone = caller.acall(call) if call.way.startswith("a") else loop.run_in_executor(pool, caller.call, call)
            try:
                await asyncio.wait_for(alone, LONGEST)
            except Exception as error:  # noqa: BLE001 - whatever it is, it should not have come
                call.error = error
            entries.read()
            run_.judge(call, entries.pop(call.key, []))

    await asyncio.gather(*(scheduler() for _ in range(AT_ONCE)))
    await asyncio.sleep(0.2)  # for connections that are being closed
    entries.read()
    left = {call.key for call in planned(seed, range(run_.calls)) if call.leaves}
    run_.wrong += [f"key {key}: a request that nobody made, or that came late" for key in entries if key not in left]
    run_.progress()


def left_behind(run_: Run, before: traces.Traces, pid: int) -> Iterator[str]:
    """Yield what did not go away, here and in the service."""
    after = traces.here()
    if after.sockets > before.sockets:
        yield f"{after.sockets - before.sockets} sockets"
    if after.threads > before.threads:
        yield f"{after.threads - before.threads} threads"
    if run_.marks[-1][1].tasks != 1:  # the one that asks
        yield "tasks"
    blocks, megabytes = run_.growth()
    if len(run_.marks) >= ENOUGH_MARKS:
        if blocks > BLOCKS:
            yield f"{blocks:.1f} blocks of memory a call"
        if megabytes > MEGABYTES:
            yield f"{megabytes:.2f} MB a thousand calls"
    if traces.sockets(pid) > SOCKETS_OF_SERVICE:
        yield f"{traces.sockets(pid)} sockets of the service"


def main() -> int:
    """Run, print the figures, and return the exit status."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--calls", type=int, default=20_000)
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    logging.getLogger("cf_llama").setLevel(logging.ERROR)  # it warns of each event that is no JSON, as it should
    before, run_ = traces.here(), Run(asked.calls)
    with tempfile.TemporaryDirectory() as folder, service(asked.seed, Path(folder) / "ledger") as (pid, account):
        caller = Caller(**account, timeout=TIMEOUTS, max_retries=2)
        with (Path(folder) / "ledger").open() as ledger, ThreadPoolExecutor(AT_ONCE) as pool:
            asyncio.run(run(asked.seed, run_, caller, ledger, pool))
        clients.close()
        time.sleep(0.5)  # for the service to notice
        left = list(left_behind(run_, before, pid))
        served = f"{traces.megabytes(pid):.0f} MB, {traces.threads(pid)} threads, {traces.sockets(pid)} sockets"
    seconds, (blocks, megabytes) = time.monotonic() - run_.begun, run_.growth()
    print(f"\n{asked.calls:,} calls with seed {asked.seed} in {seconds:.0f} s: {run_.requests:,} requests")
    print(f"outcomes  {dict(run_.counts)}\nfates     {dict(run_.faults)}")
    print(f"growth    {blocks:.2f} blocks of memory a call, {megabytes:.2f} MB a thousand calls\nservice   {served}")
    print(f"wrong     {len(run_.wrong)}\nleft      {', '.join(left) or 'nothing'}")
    return 1 if run_.wrong or left else 0


if __name__ == "__main__":
    sys.exit(main())
