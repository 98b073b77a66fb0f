"""Statements about an answer that is not streamed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cf_llama.verify.answer import Answer, body, choice, data_lines, is_refusal, result, shape, text, values
from cf_llama.verify.experiment import Experiment, NotTestable, accepted, ask, refusal_text

HELLO = ask("Say hello.")
NUMBER = ask("Context:\n42\n\nQuestion: Is the context 42 or 43? Answer with that number alone.")
COUNT_CUT = ask("Count from 1 to 12, separated by single spaces.", max_tokens=3)
STREAMED_HELLO = ask("Say hello.", stream=True)

NEURONS_IN, NEURONS_OUT = 0.0266676660742342, 0.204805329442024
"""Neurons of a token, as recorded answers of this model have them; the pricing page rounds them."""
HEADER_PLACES = 0.006
"""How far the header may be off: it has two decimal places."""
COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


def payload(answer: Answer) -> dict[str, Any]:
    """Return a whole answer without its envelope.

    Raises:
        Refused: it is a refusal.
        NotTestable: it is not readable.
    """
    if not (found := result(accepted(answer))):
        raise NotTestable("the answer is not readable")
    return found


def finish_reason(found: Mapping[str, Any]) -> Any:
    """Return why an answer ended; `stop` for the native shape, which does not say."""
    return choice(found).get("finish_reason") if "choices" in found else "stop"


def counts_of(usage: Any) -> str:
    """Return a short text about the counts of an answer."""
    if not isinstance(usage, dict):
        return "no counts"
    numbers = [usage[name] for name in COUNTS if isinstance(usage.get(name), int)]
    if len(numbers) < len(COUNTS):
        return "counts that are absent or no whole numbers"
    return "three counts, the last the sum" if numbers[0] + numbers[1] == numbers[2] else "a total that is no sum"


def neurons_factor(answer: Answer) -> str:
    """Return how many times the usual neurons an answer is said to cost."""
    found = payload(answer)
    usage, header = found.get("usage"), answer.headers.get("cf-ai-neurons")
    if not isinstance(usage, dict) or counts_of(usage) != "three counts, the last the sum" or not usage[COUNTS[2]]:
        raise NotTestable("the answer has no counts to compare with")
    usual = usage["prompt_tokens"] * NEURONS_IN + usage["completion_tokens"] * NEURONS_OUT
    try:
        reported = float(header if header is not None else usage["neurons"])
    except (KeyError, ValueError, TypeError):
        return "no cf-ai-neurons header"
    factor = 1 if abs(reported - usual) <= HEADER_PLACES else reported / usual
    return f"{factor:.2g} x the formula"


def _envelope(answers: Sequence[Answer]) -> str:
    answer = answers[0]
    found = body(answer)
    if is_refusal(answer):
        return refusal_text(answer)
    if not isinstance(found, dict):
        return "no JSON object"
    if found.keys() == {"result", "success", "errors", "messages"} and found["success"] is True:
        return "result, success, errors, messages"
    return "no envelope" if "result" not in found else ", ".join(sorted(found))


def _content_type(answers: Sequence[Answer]) -> str:
    kinds = []
    for answer in map(accepted, answers):
        if not answer.content:
            raise NotTestable("the answer has no body")
        fitting = "text/event-stream" if data_lines(answer) else "application/json"
        content_type = answer.headers.get("content-type", "none")
        kinds.append("as the body" if content_type.startswith(fitting) else content_type)
    return "; ".join(dict.fromkeys(kinds))


def _text_kind(answers: Sequence[Answer]) -> str:
    found = payload(answers[0])
    kinds = {type(value).__name__ for value in values(found)}
    return "empty text" if kinds <= {"str"} and not text([found]) else " and ".join(sorted(kinds)) or "no text"


def _parsed_number(answers: Sequence[Answer]) -> str:
    found = payload(answers[0])
    if text([found]).strip(" .\n") != "42":
        raise NotTestable("the model answered something else than 42")
    if "response" not in found:
        raise NotTestable("the answer has no response")
    return f"a {type(found['response']).__name__}"


def _cached(answers: Sequence[Answer]) -> str:
    usage = payload(answers[0]).get("usage")
    details = usage.get("prompt_tokens_details") if isinstance(usage, dict) else None
    return str(details.get("cached_tokens", 0) if isinstance(details, dict) else 0)


def _request_ids(answers: Sequence[Answer]) -> str:
    accepted(answers[0])
    return ", ".join(name for name in ("cf-ray", "cf-ai-req-id") if name in answers[0].headers) or "neither"


def _cut(answers: Sequence[Answer]) -> str:
    found = payload(answers[0])
    usage = found.get("usage")
    out = usage.get("completion_tokens") if isinstance(usage, dict) else None
    if out is None:
        raise NotTestable("the answer has no counts")
    reason = f", finish reason {choice(found).get('finish_reason')}" if "choices" in found else ""
    return f"{out} tokens" + ("" if reason == ", finish reason length" else reason)


SHAPES = {
    "hybrid": "shape=hybrid",
    "openai": "shape=openai",
    r"hybrid without (\w+)": r"shape=hybrid, absent=\1",
}
"""Faults by the shape that was seen."""

WHOLE_ANSWERS = (
    Experiment(
        name="envelope",
        statement="A success is an object of result, success, errors and messages.",
        section="1.2",
        requests=(HELLO,),
        expected="result, success, errors, messages",
        observe=_envelope,
        switches={"no envelope": "bare"},
    ),
    Experiment(
        name="content-type",
        statement="The content type of an answer says whether it is JSON or a stream of events.",
        section="1.5",
        requests=(HELLO, STREAMED_HELLO),
        expected="as the body",
        observe=_content_type,
        switches={r"(\w+/[\w.+-]+)(; charset=.*)?": r"content-type=\1"},
    ),
    Experiment(
        name="shape",
        statement="An answer has the native shape: response and usage, no choices.",
        section="1.3 #1 #2",
        requests=(HELLO,),
        expected="native",
        observe=lambda answers: shape(payload(answers[0])),
        switches=SHAPES,
    ),
    Experiment(
        name="response-text",
        statement="The text of an answer is a string.",
        section="1.3",
        requests=(HELLO,),
        expected="str",
        observe=_text_kind,
        switches={"empty text": "nothing"},
    ),
    Experiment(
        name="response-number",
        statement="A text that is JSON by itself arrives in response as its value, without being asked for JSON.",
        section="1.3 #28",
        requests=(NUMBER,),
        expected="a int",
        observe=_parsed_number,
        switches={"a str": "tokens=text"},
    ),
    Experiment(
        name="no-calls",
        statement="An answer without calls has an empty list of tool_calls.",
        section="1.3",
        requests=(HELLO,),
        expected="an empty list",
        observe=lambda answers: _listed(payload(answers[0])),
        switches={"no tool_calls": "absent=tool_calls", r".*\{\}.*": "empty-calls"},
    ),
    Experiment(
        name="usage",
        statement="An answer counts its tokens: prompt, completion and their sum.",
        section="1.4",
        requests=(HELLO,),
        expected="three counts, the last the sum",
        observe=lambda answers: counts_of(payload(answers[0]).get("usage")),
        switches={"no counts": "no-usage"},
    ),
    Experiment(
        name="neurons",
        statement="The header cf-ai-neurons follows from the counts by the recorded formula.",
        section="1.4, 1.5",
        requests=(HELLO,),
        expected="1 x the formula",
        observe=lambda answers: neurons_factor(answers[0]),
        switches={r"([\d.]+) x the formula": r"neurons=\1"},
    ),
    Experiment(
        name="cached-tokens",
        statement="No tokens of a prompt are read from a cache.",
        section="1.4 #24",
        requests=(HELLO,),
        expected="0",
        observe=_cached,
        switches={r"(\d+)": r"cached=\1"},
    ),
    Experiment(
        name="request-ids",
        statement="An answer names itself in the headers cf-ray and cf-ai-req-id.",
        section="1.5",
        requests=(HELLO,),
        expected="cf-ray, cf-ai-req-id",
        observe=_request_ids,
    ),
    Experiment(
        name="max-tokens",
        statement="An answer ends after max_tokens tokens, and says length where it says why it ended.",
        section="1.3, 7",
        requests=(COUNT_CUT,),
        expected="3 tokens",
        observe=_cut,
        switches={".*finish reason None": "finish-reason"},
    ),
)


def _listed(found: Mapping[str, Any]) -> str:
    if shape(found) == "openai" or not text([found]):
        raise NotTestable("the answer has no text, or choices alone")
    if "tool_calls" not in found:
        return "no tool_calls"
    return "an empty list" if found["tool_calls"] == [] else f"{found['tool_calls']}"
