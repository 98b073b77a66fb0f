"""The Llama 3.3 template against examples written out by hand."""

import pytest

from cf_llama import InvalidRequestError
from cf_llama.protocol.chat_template import render

SYSTEM_HEAD = (
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
    "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
)
ASK = "<|start_header_id|>assistant<|end_header_id|>\n\n"
ADD = {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object"}}}


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def test_a_system_block_is_always_there_and_texts_are_trimmed():
    turn = "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|>"
    assert render([user(" Hello\n")]) == SYSTEM_HEAD + turn + ASK
    system = {"role": "system", "content": " Be brief. "}
    assert render([system, user("Hello")]) == SYSTEM_HEAD + "Be brief." + turn + ASK


def test_date_and_begin_of_text_can_be_chosen():
    text = render([user("Hi")], date="22 Nov 2026", begin_of_text=False)
    assert text.startswith("<|start_header_id|>system")
    assert "Today Date: 22 Nov 2026\n" in text


def test_tools_stand_in_the_first_user_turn():
    text = render([user("1+1?")], [ADD])
    assert "\n\nEnvironment: ipython\nCutting Knowledge" in text
    assert 'Do not use variables.\n\n{\n    "type": "function",\n    "function": {' in text
    assert text.endswith("}\n\n1+1?<|eot_id|>" + ASK)


def test_tools_need_a_user_turn():
    with pytest.raises(InvalidRequestError, match="user"):
        render([{"role": "system", "content": "x"}], [ADD])


def test_calls_become_one_turn_each_and_results_are_read_as_ipython():
    calls = [{"id": str(n), "type": "function", "function": {"name": "f", "arguments": f'{{"n":{n}}}'}} for n in (1, 2)]
    text = render(
        [
            user("go"),
            {"role": "assistant", "content": "", "tool_calls": calls},
            {"role": "tool", "tool_call_id": "1", "content": "one"},
        ]
    )
    assert text.endswith(
        '<|start_header_id|>assistant<|end_header_id|>\n\n{"name": "f", "parameters": {"n": 1}}<|eot_id|>'
        '<|start_header_id|>assistant<|end_header_id|>\n\n{"name": "f", "parameters": {"n": 2}}<|eot_id|>'
        "<|start_header_id|>ipython<|end_header_id|>\n\none<|eot_id|>" + ASK
    )


@pytest.mark.parametrize(
    ("call", "written"),
    [
        ({"function": {"name": "météo", "arguments": '{"à":1.10}'}}, '{"name": "météo", "parameters": {"à": 1.10}}'),
        ({"function": {"name": "f", "arguments": {"n": 1}}}, '{"name": "f", "parameters": {"n": 1}}'),
        ({"function": {"name": "f", "arguments": "{n"}}, '{"name": "f", "parameters": "{n"}'),
        ({"name": "f", "arguments": ""}, '{"name": "f", "parameters": {}}'),
    ],
)
def test_calls_are_written_alike_in_whatever_form_they_are_kept(call, written):
    turns = [user("go"), {"role": "assistant", "content": "", "tool_calls": [call]}]
    assert render(turns).endswith(f"<|end_header_id|>\n\n{written}<|eot_id|>{ASK}")


def test_a_call_without_a_name_is_refused():
    with pytest.raises(InvalidRequestError, match="name"):
        render([user("go"), {"role": "assistant", "content": "", "tool_calls": [{}]}])
