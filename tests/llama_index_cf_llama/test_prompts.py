"""The Llama 3.3 template in LlamaIndex's hands."""

from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock

from cf_llama.protocol.chat_template import render
from llama_index_cf_llama import completion_to_prompt, messages_to_prompt

HEAD = "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
QUESTION = "<|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|>"
ASK = "<|start_header_id|>assistant<|end_header_id|>\n\n"


def test_messages_are_written_with_all_they_hold():
    call = ToolCallBlock(tool_call_id="c", tool_name="add", tool_kwargs={"a": 1})
    prompt = messages_to_prompt(
        [
            ChatMessage(role="system", content="Be brief."),
            ChatMessage(role="user", content="Hello"),
            ChatMessage(role="assistant", blocks=[call]),
            ChatMessage(role="tool", content="3", additional_kwargs={"tool_call_id": "c"}),
        ]
    )
    assert prompt.startswith(HEAD)
    assert "Be brief.<|eot_id|>" + QUESTION in prompt
    assert '{"name": "add", "parameters": {"a": 1}}<|eot_id|>' in prompt
    assert prompt.endswith("<|start_header_id|>ipython<|end_header_id|>\n\n3<|eot_id|>" + ASK)


def test_a_question_is_one_user_turn():
    assert completion_to_prompt("Hello") == messages_to_prompt([ChatMessage("Hello")])
    assert completion_to_prompt("Hello").endswith(QUESTION + ASK)


async def test_raw_completions_are_written_in_the_template_unless_formatted(rules, caller):
    talk = rules()
    await caller.call(talk.llm, "complete", "Hello", raw=True)
    await caller.call(talk.llm, "complete", "Once upon", formatted=True, raw=True)
    assert [body["prompt"] for body in talk.bodies] == [render([{"role": "user", "content": "Hello"}]), "Once upon"]
    assert all(body["raw"] is True for body in talk.bodies)


async def test_a_template_of_ones_own_comes_first(rules, caller):
    talk = rules(completion_to_prompt=str.upper, messages_to_prompt=lambda _: "mine")
    await caller.call(talk.llm, "complete", "Hello", raw=True)
    assert talk.bodies[0]["prompt"] == "HELLO"
    assert talk.llm.messages_to_prompt([]) == "mine"
    assert rules().llm.messages_to_prompt is messages_to_prompt
