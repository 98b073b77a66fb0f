"""Bodies of any kind are changed only where they are what they should be."""

import pytest

from cf_llama_emulator.faults import read_plan
from cf_llama_emulator.wire.errors import ServiceError


@pytest.mark.parametrize(
    ("fault", "body", "taken"),
    [
        ("takes-content", {"messages": 1}, {"messages": 1}),
        ("takes-content", {"messages": [1, {"content": 2}]}, {"messages": [1, {"content": 2}]}),
        ("takes-content", {"messages": [{"content": [{"text": "a"}, "b"]}]}, None),
        ("takes-content", {"messages": [{"content": [{"image": 1}]}]}, None),
        ("takes-content", {"messages": [{"content": []}]}, {"messages": [{"content": ""}]}),
        (
            "takes-any-range",
            {"top_k": 99, "seed": 1, "stream": True, "max_tokens": None},
            {"seed": 1, "stream": True, "max_tokens": None},
        ),
        (
            "takes-text",
            {"raw": "true", "temperature": "0.5", "top_k": "[1]", "seed": "x", "lora": "7"},
            {"raw": True, "temperature": 0.5, "top_k": "[1]", "seed": "x", "lora": "7"},
        ),
        ("text-arguments", {"messages": [1, {"tool_calls": [1, {"function": 1}, {"arguments": "{}"}]}]}, None),
        ("text-arguments", {"messages": [{"tool_calls": 1}]}, None),
        ("bare-schema", {"response_format": {"json_schema": {"type": "object"}}}, None),
        ("bare-schema", {"response_format": 1}, None),
        ("tool-choice=refused", {}, None),
    ],
)
def test_bodies_as_they_are_taken(fault, body, taken):
    assert read_plan(fault).change_body(body) == (body if taken is None else taken)


def test_the_body_that_was_sent_stays_as_it_is():
    body = {"messages": [{"role": "user", "content": None}]}
    assert read_plan("takes-content").change_body(body) != body
    assert body == {"messages": [{"role": "user", "content": None}]}


@pytest.mark.parametrize("call", [{"arguments": {}}, {"function": {"arguments": {}}}])
def test_arguments_that_are_no_text_are_refused(call):
    with pytest.raises(ServiceError) as refused:
        read_plan("text-arguments").change_body({"messages": [{"tool_calls": [call]}]})
    assert (refused.value.status, refused.value.code) == (400, 8001)
