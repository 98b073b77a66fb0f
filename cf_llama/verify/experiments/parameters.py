"""Statements about what the service takes in a request, and what it makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cf_llama.protocol.chat_template import render
from cf_llama.verify.answer import Answer, text
from cf_llama.verify.experiment import Experiment, NotTestable, accepting, ask, refusing, run
from cf_llama.verify.experiments.refusals import HOT
from cf_llama.verify.experiments.whole_answers import payload

LONG = 150
_COUNTING = f"Repeat these numbers and write nothing else: {' '.join(map(str, range(1, LONG + 1)))}"
WORDS = "Repeat these words and write nothing else: alpha bravo charlie delta echo"
QUESTION = [{"role": "user", "content": "What is the capital of France? Answer with its name alone."}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 3, "b": 4}'}}


def _history(content: object, arguments: object) -> list[dict[str, object]]:
    call = CALL | {"function": {"name": "add", "arguments": arguments}}
    return [
        {"role": "user", "content": "What is 3 plus 4?"},
        {"role": "assistant", "content": content, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "name": "add", "content": "7"},
    ]


def _default(answers: Sequence[Answer]) -> str:
    found = payload(answers[0])
    if str(LONG) in text([found]).split(":")[-1].split():
        return "the whole answer"
    usage = found.get("usage")
    out = usage.get("completion_tokens") if isinstance(usage, dict) else None
    if out is None:
        raise NotTestable("the answer has no counts")
    return f"{out} tokens"


def _same(answers: Sequence[Answer]) -> str:
    first, second = (text([payload(answer)]) for answer in answers)
    return "the same text" if first == second else "another text"


def _stop(answers: Sequence[Answer]) -> str:
    stopped, free = (text([payload(answer)]) for answer in answers)
    if "echo" not in free:
        raise NotTestable("the model did not say the words")
    return "goes on" if "echo" in stopped else "ends there"


def _prompt(answers: Sequence[Answer]) -> str:
    answer = text([payload(answers[0])])
    if "<|" in answer:
        return "the template's own marks"
    return "text" if answer.strip() else "nothing"


PARAMETERS = (
    Experiment(
        name="default-max-tokens",
        statement="An answer without max_tokens ends after 256 tokens.",
        section="7",
        requests=(run(messages=[{"role": "user", "content": _COUNTING}]),),
        expected="256 tokens",
        observe=_default,
    ),
    Experiment(
        name="seed",
        statement="The same request with the same seed gets the same text again.",
        section="7",
        requests=tuple(replace(ask("Name a colour.", seed=7), copy=copy) for copy in (1, 2)),
        expected="the same text",
        observe=_same,
    ),
    Experiment(
        name="stop",
        statement="The parameter stop is ignored.",
        section="7 #18",
        requests=(ask(WORDS, stop=["charlie"], max_tokens=40), ask(WORDS, max_tokens=40)),
        expected="goes on",
        observe=_stop,
        switches={"ends there": "stop"},
    ),
    Experiment(
        name="prompt",
        statement="A bare prompt is answered.",
        section="6.2 #17 #27",
        requests=(run(prompt=QUESTION[0]["content"], max_tokens=20),),
        expected="text",
        observe=_prompt,
        switches={"nothing": "nothing"},
    ),
    Experiment(
        name="raw-prompt",
        statement="A raw prompt in the model's template is answered as what the user says.",
        section="6.2, 6.3",
        requests=(run(prompt=render(QUESTION), raw=True, max_tokens=20),),
        expected="text",
        observe=_prompt,
        switches={"nothing": "nothing"},
    ),
    accepting(
        "raw-messages",
        "The parameter raw beside messages is taken.",
        "6.1 #26",
        ask("Say hello.", raw=True),
        switches={"refused with 5006": "prompt-alone"},
    ),
    accepting("unknown-key", "A parameter that does not exist is ignored.", "1.1", ask("Say hello.", no_such_key=1)),
    accepting(
        "reject-if-busy",
        "The option rejectIfBusy is taken; with capacity at hand it changes nothing.",
        "7",
        ask("Say hello.", options={"rejectIfBusy": True}),
    ),
    refusing(
        "out-of-range",
        "A temperature above 5 is refused.",
        "7 #19",
        HOT,
        5006,
        switches={"answered": "takes-any-range"},
    ),
    refusing(
        "number-as-text",
        "A number that is written as text is refused.",
        "7 #21b",
        ask("Say hello.", max_tokens="5"),
        5006,
        switches={"answered": "takes-text"},
    ),
    refusing("null-parameter", "A parameter that is null is refused.", "1.1", ask("Say hello.", max_tokens=None), 5006),
    refusing(
        "null-content",
        "A message whose content is null is refused.",
        "3.4 #3",
        run(messages=_history(None, "{}"), max_tokens=20),
        5006,
        switches={"answered": "takes-content"},
    ),
    refusing(
        "content-parts",
        "A message whose content is a list of parts is refused.",
        "3.4 #3",
        run(messages=[{"role": "user", "content": [{"type": "text", "text": "Say hello."}]}], max_tokens=20),
        5006,
        switches={"answered": "takes-content"},
    ),
    accepting(
        "call-in-history",
        "A call in the history is taken: empty content, arguments as text.",
        "3.4",
        run(messages=_history("", '{"a": 3, "b": 4}'), max_tokens=20),
    ),
    accepting(
        "object-arguments",
        "Arguments of a call in the history are taken as an object too.",
        "3.4 #4",
        run(messages=_history("", {"a": 3, "b": 4}), max_tokens=20),
        switches={"refused with 8001": "text-arguments"},
    ),
)
