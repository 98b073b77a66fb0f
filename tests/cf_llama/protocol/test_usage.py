"""Usage comes at the end, as increments, as both, and twice; it is billed once."""

from __future__ import annotations

import pytest

from cf_llama import Usage
from cf_llama.protocol.usage import UsageAccumulator

FINAL = Usage(26, 5, 31)


@pytest.mark.parametrize(
    ("events", "total"),
    [
        ([], None),
        ([FINAL], FINAL),
        ([FINAL, FINAL], FINAL),
        ([FINAL, Usage()], FINAL),
        ([Usage(26, 5, 31, 0, 1.5), Usage(0, 0, 0, 0, 0.0)], Usage(26, 5, 31, 0, 1.5)),
        ([FINAL, Usage(26, 5, 31, 16, 1.5)], Usage(26, 5, 31, 16, 1.5)),
        ([Usage(26, 1, 27), *[Usage(0, 1, 1)] * 4], FINAL),
        ([Usage(26, 0, 26), *[Usage(0, 1, 1)] * 5, FINAL], FINAL),
        ([Usage(0, 1, 1), *[Usage(0, 1, 1)] * 4, FINAL], FINAL),
        ([Usage(26, count, 26 + count) for count in range(6)], FINAL),
        ([Usage(26, 0, 26, 16, 0.5), *[Usage(0, 1, 1, 0, 0.25)] * 2], Usage(26, 2, 28, 16, 1.0)),
        ([Usage(26, 0, 26, 16, 0.5), *[Usage(0, 1, 1, 0, 0.25)] * 2, Usage(26, 2, 28)], Usage(26, 2, 28, 16, 1.0)),
    ],
)
def test_counts_once(events, total):
    tally = UsageAccumulator()
    for usage in events:
        tally.add(usage)
    assert tally.total() == total
