"""Statements about refusals: their codes, statuses and bodies."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from cf_llama.protocol import model
from cf_llama.verify.answer import Answer, body, code, is_refusal
from cf_llama.verify.experiment import Experiment, NotTestable, Request, ask, refusal_code, refusing


def _hello(max_tokens: int = 5) -> str:
    return json.dumps({"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": max_tokens})


UNKNOWN_MODEL = Request(_hello(), route="ai/run/@cf/meta/no-such-model")
WRONG_TOKEN = Request(_hello(), credentials="wrong")
NO_TOKEN = Request(_hello(4), credentials="none")
"""Its body is its own, as a cassette tells requests apart by their bodies."""
HOT = ask("Say hello.", temperature=6)
TOO_LONG = Request(
    json.dumps({"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": model.CONTEXT_WINDOW}),
    longest=5,
)
OVERFLOW = 5021
LARGE_WINDOW = 131_072
"""Tokens; that of the model itself."""
CREDENTIAL_CODES = {1000, 1031, 2009, 6003, 6111, 9106, 9109, 10000, 10001}
"""With which the API is known to refuse credentials."""
ANY_CODE = range(1000, 100_000)
SERVICE_FORM = "errors with a code and a text of the AI service, result {}"


def _form(answers: Sequence[Answer]) -> str:
    answer = answers[0]
    if not is_refusal(answer):
        raise NotTestable("it was answered")
    found = body(answer)
    if not isinstance(found, dict):
        return _form_of_no_object(answer, found)
    if found.get("name") == "AiGatewayError":
        return "gateway"
    if "internalCode" in found:
        return "binding"
    if "error_code" in found:
        return "problem"
    if found.get("object") == "error":
        return "upstream"
    if isinstance(found.get("error"), dict):
        return "run" if "state" in found else "openai"
    return _form_of_entry(found)


def _form_of_no_object(answer: Answer, found: object) -> str:
    kind = answer.headers.get("content-type", "")
    if "json" in kind and found is None:
        raise NotTestable("the refusal is not readable")
    if "json" in kind:
        return f"a JSON {type(found).__name__}"
    if not answer.content.strip():
        return "empty"
    return "html" if "html" in kind else "markdown" if "markdown" in kind else "text"


def _form_of_entry(found: dict[str, object]) -> str:
    if isinstance(found.get("error"), str):
        return "an error that is a text"
    errors = found.get("errors")
    entry = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    text = str(entry.get("message", ""))
    if "code" not in entry:
        return "code-in-text" if re.match(r"\d{4,5}:", text) else "neither code nor error"
    if isinstance(entry["code"], str):
        return "string-code"
    if '"object"' in text:
        return "embedded"
    return SERVICE_FORM if found.get("result") == {} and text.startswith("AiError: ") else "another text or result"


def _front_form(answers: Sequence[Answer]) -> str:
    found = body(answers[0])
    expected: dict[str, object] = {"result": None, "success": False, "messages": []}
    if not isinstance(found, dict):
        return "no JSON object"
    return "result null" if expected.items() <= found.items() else ", ".join(sorted(found))


def _statuses(answers: Sequence[Answer]) -> str:
    if not all(map(is_refusal, answers)):
        raise NotTestable("one of them was answered")
    return ", ".join(str(answer.status) for answer in answers)


def _codes(answers: Sequence[Answer]) -> str:
    found = [code(answer) for answer in answers if is_refusal(answer)]
    if None in found or len(found) < len(answers):
        raise NotTestable("one of them was answered, or has no code")
    return "different" if len(set(found)) > 1 else f"always {found[0]}"


def _window(answers: Sequence[Answer]) -> str:
    answer = answers[0]
    if not is_refusal(answer):
        return refusal_code(answers)
    window = re.search(r"limit \((\d+)\)", answer.content.decode("utf-8", "replace"))
    if code(answer) is None or (window is None and code(answer) == OVERFLOW):
        raise NotTestable("the refusal does not say its code and the size of the window")
    return f"refused with {code(answer)}" + (f", window {window[1]}" if window else "")


def _retry_after(answers: Sequence[Answer]) -> str:
    for name, unit in (("retry-after", ""), ("retry-after-ms", "ms")):
        if name in answers[0].headers:
            return f"{answers[0].headers[name]}{unit}"
    return "none"


REFUSALS = (
    refusing("unknown-model", "A model that does not exist is refused.", "8.2", UNKNOWN_MODEL, 5007),
    refusing(
        "wrong-token", "A token that does not exist is refused.", "8.3", WRONG_TOKEN, 10000, others=CREDENTIAL_CODES
    ),
    refusing("no-token", "A request without a token is refused.", "8.3", NO_TOKEN, 9106, others=CREDENTIAL_CODES),
    Experiment(
        name="context-overflow",
        statement="Input and max_tokens beyond 24,000 tokens are refused, and the refusal says so.",
        section="7, 8.2 #20 #21",
        requests=(TOO_LONG,),
        expected=f"refused with 5021, window {model.CONTEXT_WINDOW}",
        observe=_window,
        switches={r"refused with 5021, window (\d+)": r"window=\1", "answered": f"window={LARGE_WINDOW}"},
        refusals={OVERFLOW},
    ),
    Experiment(
        name="refusal-status",
        statement="Refusals have the status of their code: 400 for a model, 413 for too many tokens.",
        section="1.2, 8.2 #13",
        requests=(UNKNOWN_MODEL, TOO_LONG),
        expected="400, 413",
        observe=_statuses,
        switches={r"(\d+), \1": r"status=\1"},
        refusals={5007, OVERFLOW},
    ),
    Experiment(
        name="refusal-codes",
        statement="Different refusals have different codes.",
        section="8.2",
        requests=(UNKNOWN_MODEL, HOT),
        expected="different",
        observe=_codes,
        switches={r"always (\d+)": r"code=\1"},
        refusals=ANY_CODE,
    ),
    Experiment(
        name="refusal-form",
        statement="The AI service refuses with an envelope of errors, a code and a text, and an empty result.",
        section="1.2, 8.1",
        requests=(UNKNOWN_MODEL,),
        expected=SERVICE_FORM,
        observe=_form,
        switches={r"([a-z]+(-[a-z]+)*)": r"form=\1"},
        refusals={5007},
    ),
    Experiment(
        name="front-refusal-form",
        statement="The API in front of the AI service refuses with an envelope whose result is null.",
        section="1.2",
        requests=(WRONG_TOKEN,),
        expected="result null",
        observe=_front_form,
        refusals=CREDENTIAL_CODES,
    ),
    Experiment(
        name="retry-after",
        statement="The AI service does not say when to try again.",
        section="8.4 #8",
        requests=(UNKNOWN_MODEL,),
        expected="none",
        observe=_retry_after,
        switches={r"([\d.]+(ms)?)": r"retry-after=\1", r".* GMT": "retry-after=30date"},
        refusals={5007},
    ),
)
