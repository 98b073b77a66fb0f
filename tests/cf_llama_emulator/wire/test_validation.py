"""The model page's schema, with the refusals in the service's words."""

import json
from importlib.resources import files
from pathlib import Path

import pytest

from cf_llama_emulator.wire import validation
from cf_llama_emulator.wire.errors import ServiceError
from cf_llama_emulator.wire.validation import check_schema
from tests.cf_llama_emulator.client import ORDINARY_TOOLS, ask_user, tool

NO_PROMPT = "required properties at '/' are 'prompt'"
NO_MESSAGES = "required properties at '/' are 'messages'"


def refusal(body, **how):
    with pytest.raises(ServiceError) as caught:
        check_schema(body, **how)
    assert (caught.value.status, caught.value.code) == (400, 5006)
    return caught.value.text.removeprefix("Bad input: Error: oneOf at '/' not met, ")


def with_tool(**changes):
    return ask_user("Hello", tools=[{"name": "f", "description": "d", "parameters": {}} | changes])


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "Hello", "raw": True, "lora": "mine", "stream": False},
        ask_user("", max_tokens=1, temperature=0, top_p=0.001, top_k=50, seed=9_999_999_999),
        ask_user("Hello", repetition_penalty=2, frequency_penalty=-2, presence_penalty=2.0),
        ask_user("Hello", functions=[{"name": "f", "code": "() => 1"}]),
        ask_user("Hello", response_format={"type": "json_schema", "json_schema": {"type": "object"}}),
        ask_user("Hello", tools=[tool("f", a="integer")]),
        ask_user("Hello", tools=[tool("f", a="integer")["function"]]),
        ask_user("Hello", tools=[]),
        ask_user("Hello", stop=None, tool_choice=["?"], unheard_of=1, options={"rejectIfBusy": True}),
        {"messages": [{"role": "tool", "content": "", "tool_call_id": "x", "name": None}]},
        {"messages": []},
    ],
)
def test_accepts(body):
    assert check_schema(body) == ("prompt" if "prompt" in body else "messages")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, f"0 matches: {NO_PROMPT}, {NO_MESSAGES}"),
        ({"prompt": ""}, f"0 matches: Length of '/prompt' must be >= 1, {NO_MESSAGES}"),
        ({"prompt": "a", "messages": []}, "2 matches"),
        ({"requests": [{"prompt": "a"}]}, f"0 matches: {NO_PROMPT}, {NO_MESSAGES}"),
        (ask_user(None), f"0 matches: {NO_PROMPT}, Type mismatch of '/messages/0/content', 'string' not in 'null'"),
        (
            ask_user([{"type": "text", "text": "Hello"}]),
            f"0 matches: {NO_PROMPT}, Type mismatch of '/messages/0/content', 'string' not in 'array'",
        ),
        (
            {"messages": [{"role": "user", "content": "a"}, {"role": "assistant"}]},
            f"0 matches: {NO_PROMPT}, required properties at '/messages/1' are 'role,content'",
        ),
        (ask_user("Hello", temperature=5.1), "0 matches: '/temperature' must be <= 5"),
        (ask_user("Hello", top_p=0), "0 matches: '/top_p' must be >= 0.001"),
        (ask_user("Hello", top_k=51), "0 matches: '/top_k' must be <= 50"),
        (ask_user("Hello", seed=0), "0 matches: '/seed' must be >= 1"),
        (ask_user("Hello", max_tokens=None), "0 matches: Type mismatch of '/max_tokens', 'integer' not in 'null'"),
        (ask_user("Hello", max_tokens=1.0), "0 matches: Type mismatch of '/max_tokens', 'integer' not in 'number'"),
        (ask_user("Hello", max_tokens=True), "0 matches: Type mismatch of '/max_tokens', 'integer' not in 'boolean'"),
        (ask_user("Hello", max_tokens="9"), "0 matches: Type mismatch of '/max_tokens', 'integer' not in 'string'"),
        (ask_user("Hello", stream="yes"), "0 matches: Type mismatch of '/stream', 'boolean' not in 'string'"),
        (
            ask_user("Hello", response_format={"type": "text"}),
            "0 matches: '/response_format/type' must be one of 'json_object,json_schema'",
        ),
        (
            with_tool(parameters=None),
            (
                f"0 matches: {NO_PROMPT}, oneOf at '/tools/0' not met, 0 matches: "
                "Type mismatch of '/tools/0/parameters', 'object' not in 'null', "
                "required properties at '/tools/0' are 'type,function'"
            ),
        ),
        (
            ask_user("Hello", tools=[tool("f", a={"type": "integer", "description": None})]),
            (
                f"0 matches: {NO_PROMPT}, oneOf at '/tools/0' not met, 0 matches: "
                "required properties at '/tools/0' are 'name', "
                "Type mismatch of '/tools/0/function/parameters/properties/a/description', 'string' not in 'null'"
            ),
        ),
        (
            ask_user("Hello", tools=[{"name": "f", "type": "function", "function": {"description": "d"}}]),
            (
                f"0 matches: {NO_PROMPT}, oneOf at '/tools/0' not met, 0 matches: "
                "'/tools/0' must not have 'function', required properties at '/tools/0/function' are 'name'"
            ),
        ),
        (
            with_tool(parameters={"properties": {"a": {"type": None}}}),
            (
                f"0 matches: {NO_PROMPT}, oneOf at '/tools/0' not met, 0 matches: "
                "Type mismatch of '/tools/0/parameters/properties/a/type', 'string' not in 'null', "
                "required properties at '/tools/0' are 'type,function'"
            ),
        ),
    ],
)
def test_refuses(body, text):
    assert refusal(body) == text


WRONG_TYPES = [
    *({key: wrong} for key in ("name", "description") for wrong in (None, 1, False)),
    *({"parameters": wrong} for wrong in (None, [], "{}", {"type": ["object"]}, {"properties": []}, {"required": "a"})),
    {"parameters": {"properties": {"a": True}}},
    {"parameters": {"properties": {"a": {"description": 1}}}},
]


@pytest.mark.parametrize(
    "wrap", [lambda tool: tool, lambda tool: {"type": "function", "function": tool}], ids=("bare", "wrapped")
)
class TestTools:
    @pytest.mark.parametrize("tool", ORDINARY_TOOLS, ids=str)
    def test_ordinary_ones_are_taken_and_refused_by_the_letter_of_the_page(self, tool, wrap):
        body = ask_user("Hello", tools=[wrap(tool)])
        assert check_schema(body) == "messages"
        assert "oneOf at '/tools/0' not met, 0 matches" in refusal(body, strict_tools=True)

    @pytest.mark.parametrize("wrong", WRONG_TYPES, ids=str)
    def test_known_keys_of_a_wrong_type_are_refused(self, wrong, wrap):
        body = ask_user("Hello", tools=[wrap({"name": "f"} | wrong)])
        assert "Type mismatch of '/tools/0" in refusal(body)

    def test_a_tool_has_a_name(self, wrap):
        assert "are 'name'" in refusal(ask_user("Hello", tools=[wrap({"description": "d", "parameters": {}})]))


def test_each_form_alone_is_checked_by_its_own_name():
    with pytest.raises(ServiceError, match=r"0 matches: required properties at '/' are 'messages'$"):
        check_schema({"prompt": "Hello"}, ["messages"])


def test_the_schema_is_the_pages_own():
    schema = json.loads(files("cf_llama_emulator.wire").joinpath("model_schema.json").read_text("utf-8"))
    assert [branch.get("required") for branch in schema["oneOf"]] == [["prompt"], ["messages"], None]
    sampling = schema["oneOf"][1]["properties"]
    limits = {name: (rule.get("minimum"), rule.get("maximum")) for name, rule in sampling.items()}
    assert limits["temperature"] == (0, 5)
    assert limits["seed"] == (1, 9_999_999_999)
    assert sampling["max_tokens"]["default"] == 256


def test_no_request_waits_for_a_file(monkeypatch):
    """A file that is read on the loop is an error where a test holds loops to it, as with blockbuster."""
    validation._validator.cache_clear()
    monkeypatch.setattr(Path, "open", None)

    assert check_schema(ask_user("Hello")) == "messages"
