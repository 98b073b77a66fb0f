"""Statements about the OpenAI-compatible route."""

from __future__ import annotations

import json
from collections.abc import Sequence

from cf_llama.protocol import model
from cf_llama.verify.answer import DONE, Answer, body, calls, choice, message, text_of
from cf_llama.verify.experiment import Experiment, NotTestable, Request, accepted, chat, refusing
from cf_llama.verify.experiments.stream_observations import end, finish_of, increments_of, stream_of, usage_of
from cf_llama.verify.experiments.streams import END_SWITCHES, FINISH_SWITCHES, INCREMENT_SWITCHES, USAGE_SWITCHES
from cf_llama.verify.experiments.tool_calls import (
    ADD,
    ASKED,
    BOTH,
    FRAGMENT_SWITCHES,
    LEAK_SWITCHES,
    MULTIPLY,
    fragments_of,
    ids,
    whole_calls,
)
from cf_llama.verify.experiments.whole_answers import counts_of, payload

_COUNT = "Count from 1 to 12, separated by single spaces."
HELLO = chat("Say hello.")
CUT = chat(_COUNT, max_tokens=3)
CALLED = chat(ASKED, tools=[ADD], max_tokens=60)
STREAMED = chat(_COUNT, stream=True, max_tokens=40)
STREAMED_CALL = chat(ASKED, tools=[ADD], max_tokens=60, stream=True)
TWO_CALLS = chat(BOTH, tools=[ADD, MULTIPLY], max_tokens=60)
_NEWER = {"model": model.MODEL, "messages": [{"role": "user", "content": _COUNT}], "max_completion_tokens": 3}
RESPONSES = Request(json.dumps({"model": model.MODEL, "input": "Say hello."}), route="ai/v1/responses", longest=20)


def _completion(answers: Sequence[Answer]) -> str:
    found = body(accepted(answers[0]))
    if not isinstance(found, dict):
        return "no JSON object"
    if "success" in found:
        return "an envelope"
    expected = {"id", "object", "created", "model", "choices", "usage"}
    missing = sorted(expected - found.keys())
    return f"without {', '.join(missing)}" if missing else str(found["object"])


def _reasons(answers: Sequence[Answer]) -> str:
    reasons = [choice(payload(answer)).get("finish_reason") for answer in answers]
    if not calls(payload(answers[-1])):
        raise NotTestable("the model called no tool")
    return "none" if not any(reasons) else ", ".join(map(str, reasons))


def _digits(answers: Sequence[Answer]) -> str:
    contents = [message(event).get("content") for event in stream_of(answers[0])]
    kinds = {type(content).__name__ for content in contents if text_of(content).strip().isdecimal()}
    if not kinds:
        raise NotTestable("no event consists of digits alone")
    return " and ".join(sorted(kinds))


def _tokens_out(answers: Sequence[Answer]) -> str:
    usage = payload(answers[0]).get("usage")
    if counts_of(usage) == "no counts":
        raise NotTestable("the answer has no counts")
    return f"{usage.get('completion_tokens')} tokens" if isinstance(usage, dict) else "none"


OPENAI_ROUTE = (
    Experiment(
        name="openai-completion",
        statement="The OpenAI route answers with a chat completion, without an envelope.",
        section="11",
        requests=(HELLO,),
        expected="chat.completion",
        observe=_completion,
        switches={"without usage": "no-usage"},
    ),
    Experiment(
        name="openai-model",
        statement="The OpenAI route names the model that was asked.",
        section="11",
        requests=(HELLO,),
        expected="the same",
        observe=lambda answers: "the same" if payload(answers[0]).get("model") == model.MODEL else "another",
    ),
    Experiment(
        name="openai-finish",
        statement="The OpenAI route says why an answer ended: stop, length, tool_calls.",
        section="1.3, 11",
        requests=(HELLO, CUT, CALLED),
        expected="stop, length, tool_calls",
        observe=_reasons,
        switches={"none": "finish-reason"},
    ),
    Experiment(
        name="openai-stream-end",
        statement="A stream of the OpenAI route ends with [DONE].",
        section="11",
        requests=(STREAMED,),
        expected=DONE,
        observe=end,
        switches=END_SWITCHES,
    ),
    Experiment(
        name="openai-stream-finish",
        statement="The last chunk with choices says why the answer ended.",
        section="11",
        requests=(STREAMED,),
        expected="stop",
        observe=lambda answers: finish_of(stream_of(answers[0])),
        switches=FINISH_SWITCHES,
    ),
    Experiment(
        name="openai-stream-digits",
        statement="A piece of digits arrives in delta.content as a number.",
        section="2.3, 11",
        requests=(STREAMED,),
        expected="int",
        observe=_digits,
        switches={"str": "tokens=text"},
    ),
    Experiment(
        name="openai-stream-usage",
        statement="A stream of the OpenAI route has the counts of the whole answer.",
        section="2.5, 11",
        requests=(STREAMED,),
        expected="a sum",
        observe=lambda answers: usage_of(stream_of(answers[0])),
        switches=USAGE_SWITCHES,
    ),
    Experiment(
        name="openai-stream-increments",
        statement="Every chunk of text counts its tokens.",
        section="2.5, 11",
        requests=(STREAMED,),
        expected="as the shape has it",
        observe=lambda answers: increments_of(stream_of(answers[0])),
        switches=INCREMENT_SWITCHES,
    ),
    Experiment(
        name="openai-tool-call",
        statement="The OpenAI route has arguments of a call as JSON text.",
        section="3.2, 11",
        requests=(CALLED,),
        expected="as the shape has it",
        observe=whole_calls,
        switches=LEAK_SWITCHES,
    ),
    Experiment(
        name="openai-tool-call-ids",
        statement="The OpenAI route gives each call a different id.",
        section="3.2, 11",
        requests=(TWO_CALLS,),
        expected="different ids",
        observe=lambda answers: ids(payload(answers[0])),
        switches={"no ids": "ids", "null ids": "ids=null", "the same id": "ids=repeated"},
    ),
    Experiment(
        name="openai-tool-call-streamed",
        statement="The OpenAI route streams a call in fragments that make one JSON text.",
        section="2.4, 11",
        requests=(STREAMED_CALL,),
        expected="as the shape has it",
        observe=lambda answers: fragments_of(stream_of(answers[0])),
        switches=LEAK_SWITCHES | FRAGMENT_SWITCHES,
    ),
    Experiment(
        name="openai-max-completion-tokens",
        statement="The OpenAI route takes max_completion_tokens for max_tokens.",
        section="7",
        requests=(Request(json.dumps(_NEWER), route=HELLO.route, longest=40),),
        expected="3 tokens",
        observe=_tokens_out,
    ),
    refusing("openai-responses", "The route v1/responses does not serve this model.", "11", RESPONSES, 5006),
    refusing(
        "openai-models",
        "There is no list of models at v1/models.",
        "1.1, 11",
        Request(route="ai/v1/models", method="GET"),
        7001,
    ),
    Experiment(
        name="search",
        statement="The search for a model that does not exist finds an empty list, at no cost.",
        section="1.1",
        requests=(Request(route="ai/models/search?search=zzq-no-such-model", method="GET"),),
        expected="an empty list",
        observe=lambda answers: _searched(accepted(answers[0])),
    ),
)


def _searched(answer: Answer) -> str:
    if not isinstance(found := body(answer), dict):
        raise NotTestable("the answer is not readable")
    return "an empty list" if found.get("result") == [] else "something else"
