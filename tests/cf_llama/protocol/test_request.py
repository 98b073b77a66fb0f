"""One request checked and written: every key of the model's page, and nothing that the service refuses."""

from __future__ import annotations

import pytest

from cf_llama import ChatRequest, InvalidRequestError

USER = {"role": "user", "content": "Hi"}
NO_PARAMETERS = {"type": "object", "properties": {}}


def tool(name):
    return {"type": "function", "function": {"name": name, "description": name, "parameters": NO_PARAMETERS}}


def named(name):
    return {"type": "function", "function": {"name": name}}


def body(stream=False, **fields):
    return ChatRequest(**fields).body(stream=stream)


def test_unset_keys_are_left_out_and_max_tokens_is_always_sent():
    assert body(messages=[USER]) == {"messages": [USER], "max_tokens": 2048}
    assert body(prompt="Once") == {"prompt": "Once", "max_tokens": 2048}


def test_every_key_of_the_page_goes_out():
    sampling = {
        "max_tokens": 9,
        "temperature": 0,
        "top_p": 0.5,
        "top_k": 5,
        "seed": 1,
        "repetition_penalty": 0,
        "frequency_penalty": 0,
        "presence_penalty": -2,
    }
    assert body(prompt="Once", raw=False, lora="mine", reject_if_busy=True, stream=True, **sampling) == {
        "prompt": "Once",
        "raw": False,
        "lora": "mine",
        "options": {"rejectIfBusy": True},
        "stream": True,
        **sampling,
    }
    functions = [{"name": "f", "code": "return 1"}]
    assert body(messages=[USER], functions=functions)["functions"] == functions


def test_stop_is_ours_and_stays_here():
    assert "stop" not in body(messages=[USER], stop=("END",))


@pytest.mark.parametrize(
    ("choice", "names", "sent"),
    [
        (None, "f", None),
        (False, "f", None),
        ("auto", "f", "auto"),
        ("required", "fg", "required"),
        ("any", "fg", "required"),
        ("required", "f", named("f")),
        ("any", "f", named("f")),
        (True, "f", named("f")),
        ("g", "fg", named("g")),
        (named("g"), "fg", named("g")),
        ({"name": "g"}, "fg", named("g")),
        ({"type": "any"}, "fg", "required"),
    ],
)
def test_tool_choice_is_sent_in_one_form(choice, names, sent):
    written = body(messages=[USER], tools=[{"name": name} for name in names], tool_choice=choice)
    assert written["tools"] == [tool(name) for name in names]
    assert written.get("tool_choice") == sent


def test_no_tools_are_sent_where_none_may_be_called():
    assert "tools" not in body(messages=[USER], tools=[tool("f")], tool_choice="none")


@pytest.mark.parametrize(
    ("choice", "names", "message"),
    [
        ("unknown", "fg", "unknown.*f, g"),
        (named("unknown"), "fg", "unknown.*f, g"),
        ({}, "f", "tool_choice"),
        (True, "fg", "exactly one"),
        ("required", "", "no tools"),
        (named("f"), "", "no tools"),
        (True, "", "no tools"),
    ],
)
def test_an_impossible_tool_choice_is_refused(choice, names, message):
    with pytest.raises(InvalidRequestError, match=message):
        ChatRequest(messages=[USER], tools=[tool(name) for name in names], tool_choice=choice)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "messages or prompt"),
        ({"messages": [USER], "prompt": "x"}, "messages or prompt"),
        ({"prompt": ""}, "prompt must not be empty"),
        ({"messages": []}, "messages must not be empty"),
        ({"messages": [USER, {"role": "user", "content": None}]}, r"messages\[1\].content must be a string"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, r"messages\[0\].content"),
        ({"messages": [{"role": "user"}]}, r"messages\[0\].content"),
        ({"messages": [{"role": "ipython", "content": "x"}]}, r"messages\[0\].role must be one of system, user"),
        ({"prompt": "x", "tools": [tool("f")]}, "go with messages"),
        ({"prompt": "x", "functions": [{"name": "f", "code": ""}]}, "go with messages"),
        ({"messages": [USER], "tools": [{"name": "a b"}]}, "name"),
        ({"messages": [USER], "response_format": {"type": "yaml"}}, "response_format"),
    ],
)
def test_what_cannot_be_right_is_refused_by_name(fields, message):
    with pytest.raises(InvalidRequestError, match=message):
        ChatRequest(**fields)


def test_asking_again_adds_one_message_and_changes_nothing_else():
    asked = ChatRequest(messages=[USER], tools=[{"name": "f"}, {"name": "g"}], tool_choice="any", temperature=1)
    first, second = asked.body(stream=False), asked.with_instruction().body(stream=False)
    *history, plea = second.pop("messages")
    assert history == first.pop("messages")
    assert plea["role"] == "user"
    assert "f or g" in plea["content"]
    assert second == first


@pytest.mark.parametrize(
    ("choice", "forced"), [(None, ()), ("auto", ()), ("none", ()), ("any", ("f", "g")), ("g", ("g",))]
)
def test_knows_which_calls_are_forced(choice, forced):
    assert ChatRequest(messages=[USER], tools=[tool("f"), tool("g")], tool_choice=choice).forced_tools == forced


def test_json_mode_does_not_stream():
    assert ChatRequest(messages=[USER]).can_stream
    assert not ChatRequest(messages=[USER], response_format={"type": "json_object"}).can_stream


@pytest.mark.parametrize("name", ["messages", "tools", "functions"])
@pytest.mark.parametrize("value", [5, [5], "text", [None], {"role": "user"}])
def test_lists_of_objects_are_nothing_else(name, value):
    with pytest.raises(InvalidRequestError, match=f"^{name} must be a list of objects$"):
        ChatRequest(**{"messages": [USER], name: value})


@pytest.mark.parametrize("choice", [{"function": None}, {"type": {}, "name": "f"}, {"name": ["f"]}, 5])
def test_a_choice_of_no_known_form_is_refused(choice):
    with pytest.raises(InvalidRequestError, match="tool_choice names"):
        ChatRequest(messages=[USER], tools=[tool("g"), tool("h")], tool_choice=choice)


def test_two_different_tools_of_one_name_are_refused():
    tool = {"name": "weather", "parameters": {"type": "object", "properties": {}}}
    with pytest.raises(InvalidRequestError, match="two different ones are named 'weather'"):
        ChatRequest(messages=[{"role": "user", "content": "Hi"}], tools=(tool, {**tool, "description": "other"}))


def test_a_tool_that_is_given_twice_is_offered_once():
    tool = {"name": "weather", "parameters": {"type": "object", "properties": {}}}
    request = ChatRequest(messages=[{"role": "user", "content": "Hi"}], tools=(tool, dict(tool)))
    assert request.tool_names == ("weather",)


def test_an_extra_body_is_added_as_it_is():
    request = ChatRequest(prompt="Hi", extra_body={"p": None, "reasoning": {"effort": "low"}})
    assert request.body(stream=False).items() >= {"p": None, "reasoning": {"effort": "low"}}.items()


def test_an_extra_body_takes_the_place_of_no_field_with_a_name():
    with pytest.raises(InvalidRequestError, match="extra_body must not hold max_tokens, stream"):
        ChatRequest(prompt="Hi", extra_body={"stream": True, "max_tokens": 5})
