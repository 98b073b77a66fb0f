"""The rule engine over the wire: what LangChain's and LlamaIndex's own suites ask of a model."""

import json

import pytest

from tests.cf_llama_emulator.client import ask_user, tool

MAGIC = tool("magic_function", "Apply a magic function to an input.", input="integer")
NOTHING = tool("magic_function_no_args", "Calculate a magic function.")
WEATHER = tool("get_weather", "Get the weather at a location.", location="string")
ADDER = tool("my_adder_tool", "Tool that adds two numbers.", a="integer", b="integer")
GREETING = tool("greeting_generator", "Generate a greeting in a style of speaking.", answer_style="string")
CUSTOMER = tool("unicode_customer", "Tool for creating a customer.", customer_name="string", description="string")
JOKE = {
    "type": "object",
    "properties": {"setup": {"type": "string"}, "punchline": {"type": "string"}},
    "required": ["setup", "punchline"],
}


def calls(client, body):
    result = client.result(body)
    return [(call["name"], call["arguments"]) for call in result["tool_calls"]]


def answer(client, body):
    return client.result(body)["response"]


def forced(name):
    return {"type": "function", "function": {"name": name}}


def after(*results, text="What is 1 + 2"):
    """Return a history: a user turn, one assistant turn with all calls, and their results."""
    made, outputs = [], []
    for position, (name, content) in enumerate(results):
        call_id = f"id{position}"
        made.append({"id": call_id, "type": "function", "function": {"name": name, "arguments": "{}"}})
        outputs.append({"role": "tool", "tool_call_id": call_id, "content": content})
    return [{"role": "user", "content": text}, {"role": "assistant", "content": "", "tool_calls": made}, *outputs]


def test_it_repeats_the_last_user_turn_and_takes_any_conversation(rules):
    messages = [
        {"role": "system", "content": "hello"},
        {"role": "system", "content": "hello"},
        {"role": "user", "content": "hello", "name": "example_user"},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hello"},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": "how are you"},
    ]
    assert answer(rules, {"messages": messages}) == "You said: how are you"


def test_an_answer_has_several_pieces(rules):
    texts = [event["response"] for event in rules.events(ask_user("Hello")) if event.get("response")]
    assert texts == ["You", " said", ":", " Hello"]


@pytest.mark.parametrize("choice", [None, "required", forced("magic_function")])
@pytest.mark.parametrize("offered", [[MAGIC], [WEATHER, MAGIC]])
def test_a_tool_that_is_written_out_is_called_with_its_arguments(rules, choice, offered):
    body = ask_user("What is the value of magic_function(3)? Use the tool.", tools=offered, tool_choice=choice)
    assert calls(rules, body) == [("magic_function", {"input": 3})]


def test_a_tool_without_arguments_is_called_without(rules):
    body = ask_user("What is the value of magic_function_no_args()? Use the tool.", tools=[NOTHING, MAGIC])
    assert calls(rules, body) == [("magic_function_no_args", {})]


@pytest.mark.parametrize("written", ["{1, 2}", "b'x'", "1e999", "1j", "...", "{(1, 2): 3}"])
def test_arguments_written_out_that_are_no_json_are_not_taken(rules, written):
    assert calls(rules, ask_user(f"Use magic_function({written}) now", tools=[MAGIC]))[0][0] == "magic_function"


@pytest.mark.parametrize("parameters", [{}, {"type": "string"}, {"enum": [1]}, {"anyOf": [{"type": "integer"}]}])
def test_arguments_are_an_object_whatever_the_schema_says(rules, parameters):
    offered = [{"name": "odd", "description": "d", "parameters": parameters}]
    assert calls(rules, ask_user("Hello", tools=offered, tool_choice="required")) == [("odd", {})]


def test_the_tool_that_the_turn_speaks_of_is_called_once(rules):
    body = ask_user("What is the weather in San Francisco, CA?", tools=[MAGIC, WEATHER])
    assert calls(rules, body) == [("get_weather", {"location": "San Francisco, CA"})]


@pytest.mark.parametrize("choice", [None, "none"])
def test_no_tool_is_called_where_none_is_spoken_of_or_none_may(rules, choice):
    text = "Hello!" if choice is None else "What is the weather in Paris?"
    body = ask_user(text, tools=[WEATHER, MAGIC], tool_choice=choice)
    assert calls(rules, body) == []
    assert answer(rules, body) == f"You said: {text}"


def test_a_required_call_is_made_whatever_was_said(rules):
    [(name, arguments)] = calls(rules, ask_user("Hello!", tools=[MAGIC, WEATHER], tool_choice="required"))
    assert (name, arguments) == ("magic_function", {"input": 0})
    body = ask_user("Hello!", tools=[MAGIC, WEATHER], tool_choice=forced("get_weather"))
    assert calls(rules, body) == [("get_weather", {"location": "location: Hello!"})]


def test_a_style_is_found_in_the_words(rules):
    body = ask_user("Using the tool, generate a Pirate greeting.", tools=[GREETING], tool_choice="required")
    assert calls(rules, body) == [("greeting_generator", {"answer_style": "Pirate"})]


@pytest.mark.parametrize("name", ["你好啊集团", "こんにちは株式会社"])
def test_names_keep_their_characters(rules, name):
    body = ask_user(
        f"Create a customer named '{name}' (Hello Group) - a company", tools=[CUSTOMER], tool_choice="required"
    )
    [(_, arguments)] = calls(rules, body)
    assert arguments["customer_name"] == name
    assert json.dumps(name, ensure_ascii=False).encode() in rules.run(body).content


def test_several_tools_written_out_are_called_in_their_order(rules):
    body = ask_user("First magic_function(7), then my_adder_tool(a=1, b=2).", tools=[ADDER, MAGIC])
    assert calls(rules, body) == [("magic_function", {"input": 7}), ("my_adder_tool", {"a": 1, "b": 2})]


def test_results_are_quoted_and_the_tool_is_not_called_again(rules):
    body = {"messages": after(("my_adder_tool", '{"result": 3}')), "tools": [ADDER]}
    assert calls(rules, body) == []
    assert answer(rules, body) == 'The result of my_adder_tool is: {"result": 3}'


def test_each_result_is_quoted(rules):
    body = {"messages": after(("one", "sunny"), ("two", "rainy")), "tools": [WEATHER]}
    assert answer(rules, body) == "The result of one is: sunny\nThe result of two is: rainy"


def test_results_without_calls_are_quoted_by_their_own_name(rules):
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": '{"name": "f"}'},
        {"role": "tool", "name": "f", "content": "first"},
        {"role": "tool", "content": "second"},
    ]
    assert answer(rules, {"messages": messages}) == "The result of f is: first\nThe result of the tool is: second"


def test_a_new_user_turn_begins_anew(rules):
    messages = [*after(("get_weather", "sunny")), {"role": "assistant", "content": "Sunny."}]
    body = {"messages": [*messages, {"role": "user", "content": "And the weather in Rome?"}], "tools": [WEATHER]}
    assert calls(rules, body) == [("get_weather", {"location": "Rome"})]


def test_where_a_call_is_required_after_a_result_another_tool_goes_first(rules):
    body = {"messages": after(("get_weather", "sunny"), text="The weather in Rome?"), "tools": [WEATHER, ADDER]}
    [(name, _)] = calls(rules, body | {"tool_choice": "required"})
    assert name == "my_adder_tool"


def test_a_schema_is_filled(rules):
    wanted = {"type": "json_schema", "json_schema": JOKE}
    found = answer(rules, ask_user("Tell me a joke about cats.", response_format=wanted))
    assert found == {
        "setup": "cats",
        "punchline": "punchline: Tell me a joke about cats.",
    }


@pytest.mark.parametrize(
    "text",
    [
        "Tell me a joke. Return the result as a JSON with 'setup' and 'punchline' keys. Return nothing but JSON.",
        "Tell me a joke as JSON with the keys setup and punchline.",
        "Tell me a joke as JSON with the fields: setup, punchline.",
        f"Tell me a joke as JSON like this schema: {json.dumps(JOKE)}",
    ],
)
def test_json_mode_takes_the_keys_from_the_conversation(rules, text):
    found = answer(rules, ask_user(text, response_format={"type": "json_object"}))
    assert list(found) == ["setup", "punchline"]
    assert all(isinstance(value, str) and value for value in found.values())


def test_json_mode_without_keys_has_one(rules):
    found = answer(rules, ask_user("Tell me a joke.", response_format={"type": "json_object"}))
    assert found == {"answer": "answer: Tell me a joke."}


def test_a_json_schema_written_in_the_conversation_is_filled(rules):
    facts, request = "They say that Ann is 7 years old.", "Here is a JSON schema to follow:"
    prompt = f"{facts}\n{request}\n{json.dumps(PERSON)}\nOutput a valid JSON object."
    assert answer(rules, ask_user(prompt)) == {"name": "Ann", "age": 7}


PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}


def test_a_prompt_is_answered_like_a_user_turn_raw_or_not(rules):
    assert answer(rules, {"prompt": "Hello there"}) == "You said: Hello there"
    template = (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHello there<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    assert answer(rules, {"prompt": template, "raw": True}) == "You said: Hello there"


REACT = (
    "You have access to the following tools:\n> Tool Name: add\nTool Description: Adds\ntwo numbers.\n"
    'Tool Args: {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}\n\n'
    "## Output Format\nThought: …\nAction: tool name\nAction Input: the input\n"
)


def react(*turns):
    roles = [("user", "assistant")[n % 2] for n in range(len(turns))]
    said = [{"role": role, "content": turn} for role, turn in zip(roles, turns, strict=True)]
    return {"messages": [{"role": "system", "content": REACT}, *said]}


def test_react_by_text_acts_observes_and_answers(rules):
    action = answer(rules, react("Add 3 and 4."))
    assert action.endswith('\nAction: add\nAction Input: {"a": 3, "b": 4}')
    done = answer(rules, react("Add 3 and 4.", action, "Observation: 7"))
    assert done == "Thought: I can answer without using any more tools.\nAnswer: The result is: 7"
    plain = answer(rules, react("Hello!"))
    assert plain == "Thought: I can answer without using any more tools.\nAnswer: You said: Hello!"


def test_the_same_request_has_the_same_answer(rules):
    body = ask_user("What is the weather in Paris?", tools=[WEATHER], temperature=5, seed=1)
    assert rules.result(body) == rules.result(body)


@pytest.mark.parametrize(
    "unit", ["word ", "{", '{"a":', "'", '"', "“", "context ", "7", "A", "A ", "\n", "a.", "-----\n"]
)
def test_a_document_as_large_as_the_window_is_answered_before_the_client_gives_up(rules, unit):
    text = unit * (90_000 // len(unit))
    in_json = ask_user(text, response_format={"type": "json_object"})
    calling = ask_user(text, tools=[WEATHER], tool_choice="required")
    for body in (ask_user(text), in_json, calling, {"prompt": text}):
        assert rules.run(body | {"max_tokens": 500}).status_code in (200, 400)


@pytest.mark.parametrize("call_id", [[], {}, 7, None])
def test_a_result_may_say_anything_of_its_call(rules, call_id):
    turns = [{"role": "user", "content": "Hi"}, {"role": "tool", "tool_call_id": call_id, "content": "42"}]
    assert answer(rules, {"messages": turns}) == "The result of the tool is: 42"
