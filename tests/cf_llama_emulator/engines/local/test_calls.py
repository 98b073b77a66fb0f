"""Calls in the text of small models: found in every dress, in any cutting, and judged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cf_llama_emulator.engines.local.calls import CallReader, Verdict, fits, judge, may_be_call, schema_of_call
from cf_llama_emulator.wire.engine_protocol import Call, EngineRequest, Tool

WEATHER = Tool("weather", "of a city", {"type": "object", "properties": {"city": {"type": "string"}}})
ADD = Tool(
    "add",
    "two numbers",
    {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
)
NOW = Tool("now", "the time", {"type": "object", "properties": {}})
TOOLS = (WEATHER, ADD, NOW)

PARIS = '{"name": "weather", "arguments": {"city": "Paris"}}'
SUM = '{"name": "add", "arguments": {"a": 1, "b": 2}}'
A_CALL = [Call("weather", {"city": "Paris"})]
BOTH = [*A_CALL, Call("add", {"a": 1, "b": 2})]

READINGS = {
    "bare": (PARIS, "", A_CALL),
    "fenced": (f"```json\n{PARIS}\n```", "", A_CALL),
    "fenced without a language": (f"```\n{PARIS}\n```", "", A_CALL),
    "spread over lines": ('```json\n{\n  "name": "weather",\n  "arguments": {"city": "Paris"}\n}\n```', "", A_CALL),
    "tagged": (f"<tool_call>\n{PARIS}\n</tool_call>", "", A_CALL),
    "tagged and fenced": (f"<tool_call>\n```json\n{PARIS}\n```\n</tool_call>", "", A_CALL),
    "in double braces": ("{" + PARIS + "}", "", A_CALL),
    "as OpenAI nests it": ('{"type": "function", "function": ' + PARIS + "}", "", A_CALL),
    "arguments first": ('{"arguments": {"city": "Paris"}, "name": "weather"}', "", A_CALL),
    "parameters": (PARIS.replace("arguments", "parameters"), "", A_CALL),
    "a line end inside a string": (PARIS.replace("Paris", "Pa\nris"), "", [Call("weather", {"city": "Pa\nris"})]),
    "two in a row": (f"{PARIS}\n{SUM}", "", BOTH),
    "two fenced": (f"```json\n{PARIS}\n```\n\n```json\n{SUM}\n```", "", BOTH),
    "two tagged": (f"<tool_call>\n{PARIS}\n</tool_call>\n<tool_call>\n{SUM}\n</tool_call>", "", BOTH),
    "a list": (f"[{PARIS}, {SUM}]", "", BOTH),
    "after words": (f"Let me look.\n\n{PARIS}", "Let me look.", A_CALL),
    "with a guess at the result": (f"{PARIS}\nIt is sunny in Paris.", "", A_CALL),
    "with noise, and then no more": (f"{PARIS}.00001\n{SUM}", "", A_CALL),
    "words": ("It is sunny.", "It is sunny.", []),
    "words with brackets": ("a < b, [1], `x` {y} and {", "a < b, [1], `x` {y} and {", []),
    "code": ("```python\nprint({})\n```", "```python\nprint({})\n```", []),
    "other JSON": ('{"city": "Paris"}', '{"city": "Paris"}', []),
    "a person with a name": ('{"name": "Ann", "age": 3}', '{"name": "Ann", "age": 3}', []),
    "blanks at the end": ("Yes.\n\n", "Yes.\n\n", []),
    "nothing": ("", "", []),
}


def read(*texts):
    reader = CallReader()
    prose = "".join(reader.feed(text) for text in texts if not reader.finished)
    return prose + reader.close(), reader.calls


@pytest.mark.parametrize(("text", "prose", "calls"), READINGS.values(), ids=READINGS)
def test_calls_are_told_from_words(text, prose, calls):
    assert read(text) == (prose, calls)


@pytest.mark.parametrize(("text", "prose", "calls"), READINGS.values(), ids=READINGS)
def test_single_characters_read_the_same(text, prose, calls):
    assert read(*text) == (prose, calls)


@given(st.sampled_from(list(READINGS.values())), st.data())
def test_any_cutting_reads_the_same(reading, data):
    text, prose, calls = reading
    borders = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    assert read(*(text[a:b] for a, b in zip([0, *borders], [*borders, len(text)], strict=True))) == (prose, calls)


@given(st.text(alphabet='{}[]<`" \n\\nametool_calguns:,x', max_size=60))
def test_no_text_is_lost_or_breaks_the_reader(text):
    prose, calls = read(*text)
    assert calls or prose == text


def test_words_are_passed_on_at_once():
    reader = CallReader()
    assert [reader.feed(text) for text in ("It", " is", " a < b", " sunny.")] == ["It", " is", " a < b", " sunny."]


def test_nothing_more_is_wanted_after_the_calls():
    reader = CallReader()
    reader.feed(PARIS + "\n")
    assert not reader.finished
    reader.feed("So")
    assert reader.finished


@pytest.mark.parametrize("text", ["", " ", "{", '{"na', "``", "```js", "<tool", "[{", '<tool_call>\n{"name": "'])
def test_a_beginning_may_become_a_call(text):
    assert may_be_call(text)


@pytest.mark.parametrize("text", ["{x", '{"city', "`x`", "```python", "<b>", "[1", "So {"])
def test_other_beginnings_may_not(text):
    assert not may_be_call(text)


@pytest.mark.parametrize(
    ("call", "fitting"),
    [
        (Call("add", {"a": 1, "b": 2}), True),
        (Call("add", {"a": "1", "b": 2}), False),
        (Call("add", {"a": 1}), False),
        (Call("subtract", {"a": 1, "b": 2}), False),
        (Call("now", {}), True),
    ],
)
def test_a_call_fits_its_schema(call, fitting):
    assert fits(call, TOOLS) is fitting


@pytest.mark.parametrize(
    "parameters",
    [
        {"type": "nonsense"},
        {"$ref": "#/$defs/nowhere"},
        {"$ref": "https://example.com/schema"},
        {"$ref": "#"},
        {},
    ],
    ids=str,
)
def test_a_schema_that_cannot_be_followed_refuses_nothing(parameters):
    assert fits(Call("odd", {"a": 1}), [Tool("odd", "", parameters)])


def test_a_tool_without_a_schema_takes_any_object():
    assert schema_of_call([Tool("odd")])["properties"]["arguments"] == {"type": "object"}


def ask(*messages):
    return EngineRequest(model="m", messages=messages or ({"role": "user", "content": "Add 1 and 2."},), tools=TOOLS)


def judged(text, *messages, cut=False):
    reader = CallReader()
    reader.feed(text)
    return judge(reader, ask(*messages), cut=cut)


def exchange(question, call, arguments, result):
    function = {"name": call, "arguments": arguments}
    return (
        {"role": "user", "content": question},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": "c1", "content": result},
    )


JUDGEMENTS = {
    "a fitting call is made": (PARIS, (), Verdict(tuple(A_CALL))),
    "twice the same is one": (f"{PARIS}\n{PARIS}", (), Verdict(tuple(A_CALL))),
    "only the fitting of two": (f'{PARIS}\n{{"name": "add", "arguments": {{}}}}', (), Verdict(tuple(A_CALL))),
    "wrong arguments are written anew": ('{"name": "add", "arguments": {"a": "x"}}', (), Verdict(again=(ADD,))),
    "broken JSON is written anew": ('{"name": "add", "arguments": {a: 1}}', (), Verdict(again=(ADD,))),
    "broken beyond the name": ('{"name": "ad', (), Verdict(again=TOOLS)),
    "an unknown tool is meant as words": ('{"name": "joke", "arguments": {}}', (), Verdict()),
    "words are words": ("It is 3.", (), Verdict(stands=True)),
    "what was called has its result": (
        '{"name": "add", "arguments": {"a": 1, "b": 2}}',
        exchange("Add 1 and 2.", "add", '{"a": 1, "b": 2}', "3"),
        Verdict(),
    ),
    "a further question may call the same": (
        SUM,
        (*exchange("Add 1 and 2.", "add", {"a": 1, "b": 2}, "3"), {"role": "user", "content": "Again: 1 and 2."}),
        Verdict((Call("add", {"a": 1, "b": 2}),)),
    ),
    "the next step uses the result": (
        '{"name": "add", "arguments": {"a": 40, "b": 2}}',
        exchange("How old is he in 2 years?", "now", {}, "he is 40"),
        Verdict((Call("add", {"a": 40, "b": 2}),)),
    ),
    "a guess after a result is not made": (
        PARIS,
        exchange("Add 1 and 2.", "add", {"a": 1, "b": 2}, "3"),
        Verdict(),
    ),
    "nothing to guess": (
        '{"name": "now", "arguments": {}}',
        exchange("Add 1 and 2.", "add", {"a": 1, "b": 2}, "3"),
        Verdict((Call("now", {}),)),
    ),
}


@pytest.mark.parametrize(("text", "messages", "verdict"), JUDGEMENTS.values(), ids=JUDGEMENTS)
def test_calls_are_judged(text, messages, verdict):
    assert judged(text, *messages) == verdict


def test_a_call_that_was_cut_is_not_written_anew():
    assert judged('{"name": "add", "argum', cut=True) == Verdict(stands=True)


def test_words_are_no_answer_where_json_is_asked_for():
    asked = EngineRequest(model="m", prompt="?", tools=TOOLS, response_format={"type": "json_object"})
    assert judge(CallReader(), asked) == Verdict()


def test_the_schema_of_a_call_to_one_tool():
    assert schema_of_call([ADD]) == {
        "type": "object",
        "properties": {"name": {"const": "add"}, "arguments": ADD.parameters},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def test_references_follow_their_schema():
    tree = {
        "type": "object",
        "properties": {"root": {"$ref": "#/$defs/Node"}},
        "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "top": {"$ref": "#"}}}},
    }
    _, second = schema_of_call([ADD, Tool("grow", "a tree", tree)])["anyOf"]
    place = "#/anyOf/1/properties/arguments"
    arguments = second["properties"]["arguments"]
    assert arguments["properties"]["root"] == {"$ref": f"{place}/$defs/Node"}
    assert arguments["$defs"]["Node"]["properties"] == {"next": {"$ref": f"{place}/$defs/Node"}, "top": {"$ref": place}}
