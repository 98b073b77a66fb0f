"""Whatever is asked, the answer is one that the service could give: never a broken emulator."""

from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cf_llama_emulator.faults.output_faults import OUTPUT_FAULTS
from cf_llama_emulator.faults.values import OneOf
from cf_llama_emulator.testing import Call, ScriptedEmulator
from tests.cf_llama_emulator.client import Client, ask_user, events_of, tool


def _values(takes):
    return [f"={word}" for word in takes.words] if isinstance(takes, OneOf) else [""]


TEXT = st.text(max_size=20)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-10, 10_000_000_000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
SCHEMA_KEYS = [
    *("type", "properties", "required", "items", "enum", "const", "minimum", "maximum", "minLength", "maxLength"),
    *("minItems", "maxItems", "anyOf", "allOf", "$ref", "$defs", "format", "description", "default"),
]
SCHEMA = st.dictionaries(st.sampled_from(SCHEMA_KEYS), JSON, max_size=4)
CALL = st.fixed_dictionaries({}, optional={"id": JSON, "name": TEXT, "arguments": JSON, "function": JSON})
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system", "tool"]) | TEXT, "content": TEXT},
    optional={"name": JSON, "tool_call_id": JSON, "tool_calls": JSON | st.lists(CALL, max_size=2)},
)
BODY = st.fixed_dictionaries(
    {},
    optional={
        "messages": st.lists(MESSAGE, max_size=4) | JSON,
        "prompt": TEXT | JSON,
        "tools": st.lists(SCHEMA.map(lambda schema: tool("f", a=schema)) | JSON, max_size=2) | JSON,
        "tool_choice": st.sampled_from(["auto", "none", "required", {"function": {"name": "f"}}]) | JSON,
        "response_format": st.builds(lambda schema: {"type": "json_schema", "json_schema": schema}, SCHEMA | JSON)
        | JSON,
        "max_tokens": st.integers(-5, 100) | JSON,
        "max_completion_tokens": JSON,
        "stream": st.booleans() | JSON,
        "raw": JSON,
        "stop": JSON,
        "options": JSON,
    },
)
EXPECTED = (200, 400, 413)
SPOKEN = [f"{fault.name}{value}" for fault in OUTPUT_FAULTS for value in _values(fault.takes)]


@pytest.mark.parametrize("shape", ["native", "hybrid", "openai"])
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(body=BODY)
def test_any_body_has_a_proper_answer(rules, shape, body):
    for answer in (rules.run(body, x_emulator_shape=shape), rules.v1(body)):
        assert answer.status_code in EXPECTED, answer.text
        if answer.headers["content-type"].startswith("text/event-stream"):
            assert events_of(answer.text)
        else:
            assert isinstance(answer.json(), dict)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(schema=SCHEMA)
def test_any_schema_is_filled_or_refused(rules, schema):
    wanted = {"type": "json_schema", "json_schema": schema}
    offered = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}} | schema}
    asked = rules.run(ask_user("Take 3 'apples'", response_format=wanted))
    called = rules.run(ask_user("Take 3 'apples'", tools=[offered], tool_choice="required"))
    for answer in (asked, called):
        assert answer.status_code in EXPECTED, answer.text


REFERENCES = st.sampled_from(["#", "#/$defs/a", "#/$defs/b", "#/properties/x", "#/nowhere", "https://example.com/s"])
LEAF_SCHEMA = st.one_of(
    st.just({}),
    st.builds(lambda reference: {"$ref": reference}, REFERENCES),
    st.builds(
        lambda kinds: {"type": kinds}, st.lists(st.sampled_from(["null", "string", "integer"]), min_size=1, unique=True)
    ),
    st.builds(lambda values: {"enum": values}, st.lists(JSON, min_size=1, max_size=3)),
    st.builds(lambda value: {"const": value}, JSON),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["string", "number", "boolean", "null"])}, optional={"default": JSON}
    ),
)


def _composed(inner):
    schemas = st.lists(inner | st.booleans(), min_size=1, max_size=3)
    properties = st.dictionaries(st.sampled_from("xyz"), inner, max_size=3)
    return st.one_of(
        st.builds(
            lambda key, schemas: {key: schemas}, st.sampled_from(["anyOf", "oneOf", "allOf", "prefixItems"]), schemas
        ),
        st.builds(lambda key, schema: {key: schema}, st.sampled_from(["items", "additionalProperties", "not"]), inner),
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": properties},
            optional={"required": st.lists(st.sampled_from("xyz"), unique=True), "additionalProperties": inner},
        ),
    )


SOME_SCHEMA = st.recursive(LEAF_SCHEMA, _composed, max_leaves=6)
PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.just("object"),
        "properties": st.dictionaries(st.sampled_from("xyz"), SOME_SCHEMA, max_size=3),
        "required": st.lists(st.sampled_from("xyz"), unique=True),
        "$defs": st.fixed_dictionaries({"a": SOME_SCHEMA, "b": SOME_SCHEMA}),
        "anyOf": st.lists(SOME_SCHEMA, min_size=1, max_size=2),
        "$ref": REFERENCES,
        "additionalProperties": st.booleans() | SOME_SCHEMA,
    },
)
BARE_TOOL = st.fixed_dictionaries({"name": st.just("f")}, optional={"description": TEXT, "parameters": PARAMETERS})
SOME_TOOL = BARE_TOOL | st.builds(lambda function: {"type": "function", "function": function}, BARE_TOOL)


@pytest.mark.parametrize("shape", ["native", "hybrid", "openai"])
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    offered=SOME_TOOL,
    stream=st.booleans(),
    choice=st.sampled_from(["auto", "required", {"type": "function", "function": {"name": "f"}}]),
)
def test_any_tool_of_a_json_schema_is_called(rules, shape, offered, stream, choice):
    body = ask_user("Take 3 'apples' with f", tools=[offered], tool_choice=choice, stream=stream, max_tokens=10_000)
    for answer in (rules.run(body, x_emulator_shape=shape), rules.v1(body)):
        assert answer.status_code == 200, answer.text
        assert "tool_calls" in answer.text


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(content=st.binary(max_size=200), account=TEXT, path=TEXT)
def test_any_bytes_and_paths_are_refused_properly(rules, content, account, path):
    answer = rules.http.post(f"{rules.account}/ai/run/@cf/meta/llama-3.1-8b-instruct", content=content)
    assert answer.status_code in EXPECTED
    odd = f"{rules.emulator.base_url}/accounts/{quote(account, safe='')}/ai/run/{quote(path, safe='')}"
    assert rules.http.post(odd, content=content).status_code in (400, 403, 404, 405)


@pytest.fixture(scope="module")
def scripted():
    with ScriptedEmulator() as emulator:
        client = Client(emulator)
        yield client
        client.http.close()


@pytest.mark.parametrize("shape", ["native", "hybrid", "openai"])
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(faults=st.lists(st.sampled_from(SPOKEN), max_size=6), stream=st.booleans())
def test_whatever_is_changed_in_what_is_said_goes_together(scripted, shape, faults, stream):
    scripted.emulator.cleared().say(["Well ", "4", Call("add", {"a": 1}), Call("add", {"a": 2}), " end"])
    written = ", ".join([f"shape={shape}", *faults])
    answer = scripted.run(ask_user("Hi", stop="x", stream=stream), x_emulator_faults=written)
    assert answer.status_code == 200, answer.text
    assert isinstance(events_of(answer.text) if stream else answer.json()["result"], list if stream else dict)
