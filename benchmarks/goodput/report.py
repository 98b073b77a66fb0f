"""The figures as a page with a drawing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.goodput import clients
from benchmarks.goodput.run import Burst, Case
from benchmarks.speed.report import machine

_COLOURS = {
    clients.OURS: "#1f77b4",
    clients.TOLD: "#74b9ff",
    clients.LLAMA_INDEX: "#e6550d",
    clients.LIMITER: "#8c8c8c",
    clients.CLOUDFLARE: "#756bb1",
    clients.OPENAI: "#31a354",
    clients.RAW: "#000000",
}
_PAGE = """\
# Answers under a limit

Written by `make goodput`: {calls:,} calls at once against a server in another process that refuses without Retry-After,
one client after another in one run. Lost are calls without an answer; time is to the last answer, as a ratio to the
best possible, where none is lost; refused are the requests that the server refused, in percent of the calls. {machine}.

![Answers over time](goodput.svg)

{table}
"""


def title(case: Case) -> str:
    """A limit in words."""
    if case.kind == "capacity":
        return f"{case.limit} at once, {case.seconds:g} s each"
    return f"{case.limit} in {case.seconds:g} s, {case.kind}"


def table(bursts: Sequence[Burst]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield "| limit | client | lost | time | refused |"
    yield "|---|---|--:|--:|--:|"
    for each in bursts:
        refused = 100 * each.refused / each.calls
        time = "" if each.lost else f"{each.ratio:.2f}"
        yield f"| {title(each.case)} | {each.who} | {each.lost:,} | {time} | {refused:.1f} % |"


def write(bursts: Sequence[Burst], folder: Path) -> None:
    """Write the page and the drawing."""
    folder.mkdir(parents=True, exist_ok=True)
    page = _PAGE.format(calls=bursts[0].calls, machine=machine(), table="\n".join(table(bursts)))
    (folder / "goodput.md").write_text(page, "utf-8")
    _draw(bursts, folder / "goodput.svg")


def _draw(bursts: Sequence[Burst], path: Path) -> None:
    """A panel for each limit: calls answered over time, and the best possible."""
    import matplotlib as mpl  # noqa: PLC0415 - may be missing

    mpl.use("svg")
    looks = {"svg.hashsalt": "cf-llama", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    mpl.rcParams.update(looks)
    from matplotlib import pyplot as plt  # noqa: PLC0415 - it chooses its backend when it is imported

    cases = list(dict.fromkeys(each.case for each in bursts))
    figure, panels = plt.subplots(
        1, len(cases), figsize=(3.4 * len(cases), 4), layout="constrained", squeeze=False, sharey=True
    )
    for axes, case in zip(panels[0], cases, strict=True):
        _panel(axes, [each for each in bursts if each.case == case])
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=8)
    panels[0][0].set_ylabel("calls answered")
    figure.savefig(path, metadata={"Date": None})


def _panel(axes: Any, bursts: Sequence[Burst]) -> None:
    calls = bursts[0].calls
    ideal = bursts[0].ideal
    axes.step(ideal, range(1, calls + 1), where="post", color="#cccccc", linewidth=4, label="best possible")
    for each in bursts:
        counts = range(1, len(each.times) + 1)
        axes.step(each.times, counts, where="post", color=_COLOURS[each.who], linewidth=1.4, label=each.who)
        if each.lost:
            axes.plot(each.times[-1:], [len(each.times)], "x", color=_COLOURS[each.who])
    axes.axhline(calls, color="#eeeeee", zorder=0)
    axes.set(xlabel="seconds", title=title(bursts[0].case), xlim=(0, max(ideal) * 1.3))
    axes.title.set_fontsize(9)
