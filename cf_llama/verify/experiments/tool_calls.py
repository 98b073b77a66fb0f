"""Statements about tool calls on the native route."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cf_llama.verify.answer import Answer, calls, function, message, parse, text
from cf_llama.verify.experiment import Experiment, NotTestable, accepting, ask, refusing
from cf_llama.verify.experiments.stream_observations import stream_of
from cf_llama.verify.experiments.whole_answers import payload

_OUT = 60


def _tool(name: str, description: str) -> dict[str, Any]:
    number = {"type": "integer", "description": "A number."}
    parameters = {"type": "object", "properties": {"a": number, "b": number}, "required": ["a", "b"]}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


ADD, MULTIPLY = _tool("add", "Adds two integers."), _tool("multiply", "Multiplies two integers.")
BARE_ADD = {"name": "add", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}
ASKED = "What is 3 plus 4? Call add(a=3, b=4)."
BOTH = "What is 3 plus 4, and what is 5 times 6? Call add(a=3, b=4) and multiply(a=5, b=6), both at once."
NAMED = {"type": "function", "function": {"name": "add"}}
CALLED = ask(ASKED, tools=[ADD], max_tokens=_OUT)
STREAMED_CALL = ask(ASKED, tools=[ADD], max_tokens=_OUT, stream=True)
TWO_CALLS = ask(BOTH, tools=[ADD, MULTIPLY], max_tokens=_OUT)


def no_call(answer: str) -> str:
    """Return how a call stands in the text, by the emulator's name of the form.

    Raises:
        NotTestable: it is an ordinary text.
    """
    answer = answer.strip()
    if answer.startswith("<|python_tag|>"):
        return "text: tag"
    if answer.startswith("```"):
        return "text: fenced"
    if answer.startswith("[add("):
        return "text: python"
    found = parse(answer)
    if isinstance(found, dict) and found.get("name") == "add":
        return "text: function" if "type" in found else "text: json"
    if not answer:
        return "nothing"
    raise NotTestable("the model called no tool")


def whole_calls(answers: Sequence[Answer]) -> str:
    """Return how the calls of a whole answer stand in it."""
    found = payload(answers[0])
    named = [call for call in calls(found) if function(call).get("name")]
    if not named:
        return no_call(text([found]))
    arguments = function(named[0]).get("arguments")
    if message(found).get("tool_calls"):
        return "as the shape has it" if isinstance(parse(str(arguments)), dict) else "arguments that are no JSON text"
    return "as the shape has it" if isinstance(arguments, dict) else f"arguments as {type(arguments).__name__}"


def entries(found: Mapping[str, Any]) -> str:
    """Return whether every entry among the calls is one.

    Raises:
        NotTestable: there are none.
    """
    listed = calls(found)
    if not any(function(call).get("name") for call in listed):
        raise NotTestable("the model called no tool")
    return "calls alone" if all(listed) else "{} among them"


def ids(found: Mapping[str, Any]) -> str:
    """Return what the calls of a whole answer have for ids.

    Raises:
        NotTestable: there are fewer than two.
    """
    listed = [call for call in calls(found) if function(call).get("name")]
    if len(listed) < 2:  # noqa: PLR2004 - the least that can be compared
        raise NotTestable("the model made one call or none")
    call_ids = [call.get("id") for call in listed]
    if all(call_ids):
        return "different ids" if len(set(call_ids)) == len(call_ids) else "the same id"
    return "null ids" if all("id" in call for call in listed) else "no ids"


def _native_ids(answers: Sequence[Answer]) -> str:
    found = payload(answers[0])
    kind, usual = ids(found), "different ids" if message(found).get("tool_calls") else "no ids"
    return "as the shape has it" if kind == usual else kind


def _streamed(answers: Sequence[Answer]) -> str:
    found = stream_of(answers[0])
    carriers = [event for event in found if any(function(call) for call in calls(event))]
    if not carriers:
        return no_call(text(found))
    if any(
        "choices" in event or "index" in call for event in carriers for call in calls(event) if isinstance(call, dict)
    ):
        return fragments_of(found)
    if len(carriers) > 1:
        return "fragments of native calls"
    arguments = next(filter(None, map(function, calls(carriers[0])))).get("arguments")
    return "as the shape has it" if isinstance(arguments, dict) else f"arguments as {type(arguments).__name__}"


def fragments_of(found: Sequence[Mapping[str, Any]]) -> str:
    """Return how a call stands in a stream whose shape has fragments.

    Raises:
        NotTestable: there is none.
    """
    fragments = [call for event in found for call in calls(event) if call and isinstance(call, dict)]
    if any("id" in call and call["id"] is None and not function(call).get("name") for call in fragments):
        return "a fragment of nulls at the end"
    if not any("choices" in event and calls(event) for event in found):
        if not fragments:
            return no_call(text(found))
        return "fragments outside of choices"
    if len(fragments) == 1:
        return "in one event"
    joined = "".join(str(function(call).get("arguments") or "") for call in fragments)
    return "as the shape has it" if isinstance(parse(joined), dict) else "fragments that make no JSON"


def _forced(answers: Sequence[Answer]) -> str:
    """Return whether there is a call, or what stands in its place."""
    found = payload(answers[0])
    if any(function(call).get("name") for call in calls(found)):
        return "a call"
    try:
        return no_call(text([found]))
    except NotTestable:
        return "no call"


def _unforced(answers: Sequence[Answer]) -> str:
    seen = _forced(answers)
    return "no call" if seen == "nothing" else seen


def _count(answers: Sequence[Answer]) -> str:
    named = [call for call in calls(payload(answers[0])) if function(call).get("name")]
    if not named:
        raise NotTestable("the model called no tool")
    return f"{len(named)} calls"


LEAK_SWITCHES = {r"text: (\w+)": r"leak=\1", "nothing": "nothing"}
FRAGMENT_SWITCHES = {
    "in one event": "whole-calls",
    "fragments outside of choices": "top-fragments",
    "a fragment of nulls at the end": "null-finalisation",
    "fragments of native calls": "shape=hybrid, absent=choices",
}
IGNORED = LEAK_SWITCHES | {
    "(no|a) call": "tool-choice",
    "refused with 400/8001": "tool-choice=refused",
}


def _choice(name: str, statement: str, expected: str, content: str, choice: Any) -> Experiment:
    return Experiment(
        name=name,
        statement=statement,
        section="3.5 #5",
        requests=(ask(content, tools=[ADD], tool_choice=choice, max_tokens=_OUT),),
        expected=expected,
        observe=_forced if expected == "a call" else _unforced,
        switches=IGNORED,
    )


TOOL_CALLS = (
    Experiment(
        name="tool-call",
        statement="A call stands in tool_calls: natively with an object of arguments, in choices with their text.",
        section="3.2, 3.6",
        requests=(CALLED,),
        expected="as the shape has it",
        observe=whole_calls,
        switches=LEAK_SWITCHES,
    ),
    Experiment(
        name="tool-call-entries",
        statement="Every entry of tool_calls is a call.",
        section="3.2",
        requests=(CALLED,),
        expected="calls alone",
        observe=lambda answers: entries(payload(answers[0])),
        switches={"{} among them": "empty-calls"},
    ),
    Experiment(
        name="tool-call-ids",
        statement="Native calls have no ids; those in choices have different ones.",
        section="3.2",
        requests=(TWO_CALLS,),
        expected="as the shape has it",
        observe=_native_ids,
        switches={"no ids": "ids", "null ids": "ids=null", "the same id": "ids=repeated"},
    ),
    Experiment(
        name="parallel-calls",
        statement="One answer can hold several calls.",
        section="3.3",
        requests=(TWO_CALLS,),
        expected="2 calls",
        observe=_count,
    ),
    Experiment(
        name="tool-call-streamed",
        statement="A streamed call comes natively in one event, in choices in fragments.",
        section="2.4",
        requests=(STREAMED_CALL,),
        expected="as the shape has it",
        observe=_streamed,
        switches=LEAK_SWITCHES | FRAGMENT_SWITCHES,
    ),
    _choice("tool-choice-named", "A named tool_choice is called, whatever was said.", "a call", "Say hello.", NAMED),
    _choice("tool-choice-required", "With tool_choice required a tool is called.", "a call", "Say hello.", "required"),
    _choice("tool-choice-none", "With tool_choice none no tool is called.", "no call", ASKED, "none"),
    refusing(
        "forced-call-cut",
        "A forced call that does not fit into max_tokens is refused.",
        "3.5",
        ask("Say hello.", tools=[ADD], tool_choice=NAMED, max_tokens=1),
        8006,
        switches={"answered": "tool-choice", "refused with 8001": "tool-choice=refused"},
    ),
    accepting(
        "tool-without-descriptions",
        "A tool without descriptions is taken.",
        "3.1",
        ask("Say hello.", tools=[BARE_ADD]),
        switches={"refused with 5006": "tools=strict"},
    ),
)
