"""The conformance suite: the model passes it in each shape and mode, and a model that does not conform fails it."""

from typing import Any, ClassVar

import pytest
from llama_index.core.base.llms.types import ChatMessage, CompletionResponse
from llama_index.core.llms.mock import MockFunctionCallingLLM

from cf_llama_emulator.server import serve
from cf_llama_emulator.settings import ACCOUNT_ID, API_TOKEN
from llama_index_cf_llama import CloudflareLlama
from llama_index_cf_llama.conformance import ChatConformance, ComponentConformance, LLMConformance, ToolConformance
from llama_index_cf_llama.conformance.base import CallStyle
from tests.llama_index_cf_llama.conftest import model


@pytest.fixture(scope="module")
def emulators():
    """The rule engine in each shape."""
    with serve(shape="native") as native, serve(shape="hybrid") as hybrid:
        yield {"native": native, "hybrid": hybrid}


class TestNative(LLMConformance):
    shape = "native"
    fields: ClassVar[dict[str, Any]] = {}
    secrets = (API_TOKEN, ACCOUNT_ID)
    pickles_secrets = True  # those that were passed

    @pytest.fixture
    def llm(self, emulators):
        return model(emulators[self.shape], **self.fields)


class TestHybrid(TestNative):
    shape = "hybrid"


class TestBySchema(TestNative):
    fields: ClassVar = {"should_use_structured_outputs": True}


class TestAsPrompt(TestNative):
    fields: ClassVar = {"complete_as": "prompt"}


FOUND = {
    "test_says_what_it_is": "calls itself no chat model and has no model name",
    "test_is_stored_as_json": "one of its fields is a function, which is no JSON",
    "test_secrets_are_not_seen": "one of its fields is a function, which is no JSON",
    "test_a_call_is_in_both_places": "its calls are in the blocks only",
    "test_no_call_is_said_or_raised": "never raises",
    "test_one_call_where_one_is_allowed": "calls every tool",
    "test_one_call_is_one_event[async-chat]": "its asynchronous chat calls the decorated synchronous one",
    "test_images_are_read_or_refused": "passes over pictures",
}


FAILURES = (AssertionError, TypeError, pytest.fail.Exception)


class TestControl(ChatConformance, ToolConformance, ComponentConformance):
    """LlamaIndex's own mock, which fails where it is known to, and nowhere else."""

    counts_tokens = False

    @pytest.fixture(autouse=True)
    def found(self, request):
        reason = FOUND.get(request.node.name) or FOUND.get(request.node.originalname)
        if reason:
            request.applymarker(pytest.mark.xfail(reason=reason, raises=FAILURES))

    @pytest.fixture
    def llm(self):
        return MockFunctionCallingLLM()


class Talkative(CloudflareLlama):
    """A model with the mistakes that integrations make, to see that the suite finds them."""

    def _stream(self, question):
        for response in super()._stream(question):
            yield response.model_copy(update={"message": ChatMessage(role="assistant", content=response.delta)})

    def complete(self, prompt, formatted=False, **kwargs):
        return CompletionResponse(text=self.chat([ChatMessage(prompt)], **kwargs).message.content)


@pytest.mark.parametrize(
    ("test", "arguments"),
    [
        ("test_streams_grow", {"method": "stream_chat"}),
        ("test_all_ways_agree", {}),
        ("test_tokens_are_counted_exactly", {"method": "complete"}),
    ],
)
def test_mistakes_are_found(emulators, test, arguments):
    llm = model(emulators["native"], kind=Talkative)
    with pytest.raises(AssertionError):
        getattr(LLMConformance(), test)(llm, CallStyle(asynchronous=False), **arguments)
