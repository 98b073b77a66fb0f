"""What an experiment is: requests, an observation, and the text that is expected of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from cf_llama.protocol import model, tokens
from cf_llama.verify.answer import Answer, body, code, is_refusal

RUN, CHAT = f"ai/run/{model.MODEL}", "ai/v1/chat/completions"
MAX_TOKENS = 20
"""Tokens out of an ordinary experiment."""
SERVICE_MAX_TOKENS = 256
_TIMEOUT, _TOO_MANY, _SERVER_ERROR = 408, 429, 500
_GATEWAY_CODES = range(2000, 3000)
_TRANSIENT = frozenset({3007, 3008, 3010, 3021, 3023, 3036, 3040, 3043, 3046, 3050, 4006, 5001, 7009, 8004, 8005, 8008})
"""Codes of a service that cannot answer now, or not this account."""
_NOT_RECORDED = 99999
"""Code of an emulator whose cassette or script has no answer."""


class Outcome(StrEnum):
    """What an experiment came to."""

    AS_EXPECTED = "as expected"
    DIFFERS = "differs"
    NOT_TESTABLE = "not testable"


class NotTestable(Exception):  # noqa: N818 - a result, not an error
    """The answers say nothing about the statement; the message says why."""


class Refused(Exception):  # noqa: N818 - a result, not an error
    """The service refused what the experiment needs; the message says with what."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request to the account. Equal requests are sent once and share their answer."""

    content: str = ""
    """The body, as JSON text."""
    route: str = RUN
    """Path behind the account."""
    method: Literal["POST", "GET"] = "POST"
    credentials: Literal["own", "wrong", "none"] = "own"
    headers: tuple[tuple[str, str], ...] = ()
    copy: int = 0
    """Another number sends an equal request once more."""
    longest: int | None = None
    """Tokens out to expect, where `max_tokens` says too much."""

    @property
    def price(self) -> tuple[int, int]:
        """Estimated tokens in, and most tokens out."""
        if not self.content:
            return 0, 0
        out = json.loads(self.content).get("max_tokens")
        most = out if isinstance(out, int) else SERVICE_MAX_TOKENS
        return tokens.count_text(self.content), most if self.longest is None else self.longest


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an experiment came to, with what was expected and what was seen."""

    outcome: Outcome
    expected: str
    seen: str
    switch: str = ""
    """Faults that let the emulator behave as seen, `name[=value], ...`; empty if there are none, or none is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One statement about the service, and how to see whether it holds."""

    name: str
    statement: str
    """One sentence."""
    section: str
    """Its subject: 1 whole answers, 2 streams, 3 tools, 4 JSON mode, 5 batches, 6 prompts, 7 parameters, 8 errors,
    10 AI Gateway, 11 the OpenAI route; with a number behind `#` the open question it answers."""
    requests: tuple[Request, ...]
    expected: str
    observe: Callable[[Sequence[Answer]], str]
    """Pure; returns a short text, which is `expected` if the statement holds. May raise NotTestable or Refused."""
    switches: Mapping[str, str] = field(default_factory=dict)
    """Faults of the emulator by a regular expression for the whole text seen; groups may be used."""
    refusals: Container[int] = ()
    """Codes that are no obstacle here, as the statement is about them."""
    follow: Callable[[Sequence[Answer]], Request | None] = lambda _: None
    """Pure; returns the next request from the answers so far, or None after the last."""

    def judge(self, answers: Sequence[Answer]) -> Verdict:
        """Compare what was seen with what is expected."""
        try:
            for answer in answers:
                self._check_available(answer)
            seen = self.observe(answers)
        except NotTestable as reason:
            return Verdict(Outcome.NOT_TESTABLE, self.expected, str(reason))
        except Refused as refusal:
            seen = str(refusal)
        except Exception as error:  # noqa: BLE001 - of an answer as odd as this the other experiments may say more
            return Verdict(Outcome.NOT_TESTABLE, self.expected, f"cannot be read: {type(error).__name__}: {error}")
        if seen == self.expected:
            return Verdict(Outcome.AS_EXPECTED, self.expected, seen)
        matches = ((re.fullmatch(pattern, seen), switch) for pattern, switch in self.switches.items())
        switch = next((match.expand(switch) for match, switch in matches if match), "")
        return Verdict(Outcome.DIFFERS, self.expected, seen, switch)

    def _check_available(self, answer: Answer) -> None:
        found = code(answer)
        if answer.failure:
            raise NotTestable(answer.failure)
        if found == _NOT_RECORDED:
            raise NotTestable("the emulator has no answer to this")
        if found in self.refusals:
            return
        unavailable = answer.status in {401, 402, 403, _TIMEOUT, _TOO_MANY} or answer.status >= _SERVER_ERROR
        if is_refusal(answer) and (unavailable or found in _TRANSIENT or found in _GATEWAY_CODES):
            raise NotTestable(refusal_text(answer))


def refusal_text(answer: Answer) -> str:
    """Return a refusal as `refused with STATUS/CODE`."""
    found = code(answer)
    return f"refused with {answer.status}" + (f"/{found}" if found else "")


def accepted(answer: Answer) -> Answer:
    """Return an answer that is no refusal.

    Raises:
        Refused: it is one.
        NotTestable: its body is empty or damaged.
    """
    if is_refusal(answer):
        raise Refused(refusal_text(answer))
    return answer


def refusal_code(answers: Sequence[Answer]) -> str:
    """Return the code with which the last request was refused, or that it was answered."""
    last = answers[-1]
    if not is_refusal(last):
        if body(last) is None and b"data:" not in last.content:
            raise NotTestable("the answer is not readable")
        return "answered"
    if code(last) is None:
        raise NotTestable(f"refused with {last.status}, without a code")
    return f"refused with {code(last)}"


def refusing(
    name: str,
    statement: str,
    section: str,
    request: Request,
    code: int,
    *,
    switches: Mapping[str, str] | None = None,
    others: Collection[int] = (),
) -> Experiment:
    """Return the experiment for a request that is refused with the code `code`, and not with one of `others`."""
    return Experiment(
        name=name,
        statement=statement,
        section=section,
        requests=(request,),
        expected=f"refused with {code}",
        observe=refusal_code,
        switches=switches or {},
        refusals={code, *others},
    )


def accepting(
    name: str, statement: str, section: str, request: Request, *, switches: Mapping[str, str] | None = None
) -> Experiment:
    """Return the experiment for a request that is not refused."""
    return Experiment(
        name=name,
        statement=statement,
        section=section,
        requests=(request,),
        expected="answered",
        observe=refusal_code,
        switches=switches or {},
    )


def run(**fields: Any) -> Request:
    """Return a request to the native route with these fields as its body."""
    return Request(json.dumps(fields))


def ask(content: str, **fields: Any) -> Request:
    """Return a user's turn for the native route; `fields` go into the body."""
    return run(**{"messages": [{"role": "user", "content": content}], "max_tokens": MAX_TOKENS} | fields)


def chat(content: str, **fields: Any) -> Request:
    """Return a user's turn for the OpenAI-compatible route; `fields` go into the body."""
    turns = [{"role": "user", "content": content}]
    return Request(json.dumps({"model": model.MODEL, "messages": turns, "max_tokens": MAX_TOKENS} | fields), route=CHAT)
