"""Reports of verdicts, as Markdown and JSON, and as a profile for the emulator. None holds account or token."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cf_llama.protocol import model
from cf_llama.verify.experiment import Experiment, Outcome, Verdict
from cf_llama.version import __version__


@dataclass(frozen=True, slots=True)
class Report:
    """All verdicts about one service."""

    host: str
    """Host name of the service."""
    at: datetime
    verdicts: Sequence[tuple[Experiment, Verdict]]

    @property
    def summary(self) -> str:
        """How many experiments came to what."""
        outcomes = [verdict.outcome for _, verdict in self.verdicts]
        return ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in Outcome)

    @property
    def switches(self) -> list[str]:
        """The faults that let the emulator behave as the service was seen to, each name once."""
        return combine(verdict.switch for _, verdict in self.verdicts)

    @property
    def exit_code(self) -> int:
        """0 if all is as expected, 1 if something differs, 2 if something could not be tested and nothing differs."""
        outcomes = {verdict.outcome for _, verdict in self.verdicts}
        return 1 if Outcome.DIFFERS in outcomes else 2 if Outcome.NOT_TESTABLE in outcomes else 0

    def json(self) -> str:
        """Return the report as a JSON object."""
        return json.dumps(
            {
                "host": self.host,
                "model": model.MODEL,
                "at": self.at.isoformat(timespec="seconds"),
                "version": __version__,
                "summary": self.summary,
                "switches": self.switches,
                "experiments": [_entry(*pair) for pair in self.verdicts],
            },
            ensure_ascii=False,
            indent=2,
        )

    def markdown(self) -> str:
        """Return the report as a page: what is not as expected first."""
        odd = [pair for pair in self.verdicts if pair[1].outcome != Outcome.AS_EXPECTED]
        fine = [pair for pair in self.verdicts if pair[1].outcome == Outcome.AS_EXPECTED]
        switches = f"Faults for the emulator: `{', '.join(self.switches)}`" if self.switches else ""
        parts = [
            f"# {model.MODEL} at {self.host}",
            f"{self.at:%Y-%m-%d %H:%M} UTC, cf-llama {__version__}: {self.summary}",
            switches,
            *(["## Not as expected", _table(odd)] if odd else []),
            *(["## As expected", _table(fine)] if fine else []),
        ]
        return "\n\n".join(filter(None, parts)) + "\n"

    def profile(self) -> str:
        """Return the faults as a profile for `cf-llama serve --profile`."""
        return json.dumps({"faults": self.switches}, ensure_ascii=False, indent=2) + "\n"


def combine(switches: Iterable[str]) -> list[str]:
    """Return faults with each name once; one with a value says more than one without."""
    found: dict[str, str] = {}
    for switch in (part for text in switches for part in text.split(", ") if part):
        name, _, value = switch.partition("=")
        if value or name not in found:
            found[name] = switch
    return list(found.values())


def _entry(experiment: Experiment, verdict: Verdict) -> dict[str, Any]:
    return {
        "name": experiment.name,
        "statement": experiment.statement,
        "outcome": str(verdict.outcome),
        "expected": verdict.expected,
        "seen": verdict.seen,
        "switch": verdict.switch or None,
    }


def _table(pairs: Iterable[tuple[Experiment, Verdict]]) -> str:
    rows = [("statement", "outcome", "expected", "seen", "fault"), ("---",) * 5]
    rows += [
        (experiment.statement, verdict.outcome, verdict.expected, verdict.seen, verdict.switch)
        for experiment, verdict in pairs
    ]
    return "\n".join(f"| {' | '.join(map(_cell, row))} |" for row in rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
