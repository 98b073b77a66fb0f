"""Answers from documents: every response mode, chat engines, routers, extractors, evaluators; nothing downloaded."""

import re
import zlib

import pytest
from llama_index.core import Document, Settings, SimpleDirectoryReader, SummaryIndex, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.evaluation import FaithfulnessEvaluator, RelevancyEvaluator
from llama_index.core.extractors import DocumentContextExtractor, KeywordExtractor, SummaryExtractor, TitleExtractor
from llama_index.core.indices.prompt_helper import PromptHelper
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.postprocessor import LLMRerank
from llama_index.core.query_engine import RetrieverQueryEngine, RouterQueryEngine, SubQuestionQueryEngine
from llama_index.core.question_gen import LLMQuestionGenerator
from llama_index.core.response_synthesizers import ResponseMode, get_response_synthesizer
from llama_index.core.schema import MetadataMode, NodeWithScore, TextNode
from llama_index.core.selectors import LLMSingleSelector, PydanticMultiSelector, PydanticSingleSelector
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.tools import QueryEngineTool
from pydantic import BaseModel

from cf_llama_emulator.wire.engine_protocol import Call

FACTS = [
    "The harbour master of Oosterend is Jelle Visser.",
    "The lighthouse of Oosterend is 43 metres high.",
    "The ferry to Oosterend leaves at 7:20 every morning.",
]
QUESTION = "How high is the lighthouse?"
ANSWERING = {ResponseMode.REFINE, ResponseMode.COMPACT, ResponseMode.TREE_SUMMARIZE, ResponseMode.SIMPLE_SUMMARIZE}
STREAMING = [*sorted(ANSWERING), ResponseMode.GENERATION]


class BagOfWords(BaseEmbedding):
    """Texts with the same words point the same way."""

    def _get_text_embedding(self, text):
        vector = [0.001] * 64
        for word in re.findall(r"\w+", text.lower()):
            vector[zlib.crc32(word.encode()) % 64] += 1
        return vector

    def _get_query_embedding(self, query):
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query):
        return self._get_text_embedding(query)


@pytest.fixture
def index():
    return VectorStoreIndex([TextNode(text=fact) for fact in FACTS], embed_model=BagOfWords())


@pytest.mark.parametrize("mode", list(ResponseMode))
async def test_every_response_mode_answers(rules, index, caller, mode, monkeypatch):
    talk = rules()
    monkeypatch.setattr(Settings, "_llm", talk.llm)  # the modes without an answer ask for one there
    engine = index.as_query_engine(llm=talk.llm, response_mode=mode, similarity_top_k=2)
    response = await caller.call(engine, "query", QUESTION)
    if mode in ANSWERING:
        assert "43 metres" in str(response)
    if mode in {ResponseMode.NO_TEXT, ResponseMode.CONTEXT_ONLY}:
        assert talk.bodies == []
    else:
        assert all(body["max_tokens"] == 2048 for body in talk.bodies)
    if mode != ResponseMode.GENERATION:
        assert "lighthouse" in response.source_nodes[0].text


@pytest.mark.parametrize("mode", STREAMING)
async def test_response_modes_stream(rules, index, caller, mode):
    talk = rules()
    engine = index.as_query_engine(llm=talk.llm, response_mode=mode, streaming=True, similarity_top_k=1)
    response = await caller.call(engine, "query", QUESTION)
    stream = response.response_gen
    pieces = [piece async for piece in stream] if caller.asynchronous else list(stream)
    assert len(pieces) > 2
    assert ("43 metres" in "".join(pieces)) is (mode in ANSWERING)
    assert talk.bodies[-1]["stream"] is True


async def test_the_context_reaches_the_model_as_system_and_user_text(rules, index):
    talk = rules()
    await index.as_query_engine(llm=talk.llm, similarity_top_k=1).aquery(QUESTION)
    [body] = talk.bodies
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert FACTS[1] in body["messages"][1]["content"]


def test_room_is_left_for_the_answer(rules):
    helper = PromptHelper.from_llm_metadata(rules(max_tokens=4000).llm.metadata)
    assert (helper.context_window, helper.num_output) == (24_000, 4000)


async def test_a_context_beyond_the_window_is_split(script):
    talk = script(*["So far."] * 9)
    words = " ".join(f"word{number}" for number in range(16_000))
    nodes = [NodeWithScore(node=TextNode(text=words))]
    synthesizer = get_response_synthesizer(llm=talk.llm, response_mode=ResponseMode.COMPACT)
    assert str(await synthesizer.asynthesize("What?", nodes)) == "So far."
    assert len(talk.bodies) > 1


@pytest.mark.parametrize("mode", ["simple", "context", "condense_question", "condense_plus_context"])
async def test_chat_engines_remember(script, index, caller, mode):
    answers = 2 if mode in {"simple", "context"} else 4  # the others put each question after the first into words
    talk = script(*["43 metres."] * answers)
    engine = index.as_chat_engine(llm=talk.llm, chat_mode=mode, memory=ChatMemoryBuffer.from_defaults(llm=talk.llm))
    history = [ChatMessage(role="user", content="Hi"), ChatMessage(role="assistant", content="Hello")]
    response = await caller.call(engine, "chat", QUESTION, chat_history=history)
    assert str(response) == "43 metres."
    assert str(await caller.call(engine, "chat", "And in feet?")) == "43 metres."
    asked = "\n".join(message["content"] for body in talk.bodies for message in body["messages"])
    assert "And in feet?" in asked
    assert QUESTION in asked
    assert len(talk.bodies) == answers


@pytest.mark.parametrize("mode", ["simple", "context", "condense_plus_context"])
async def test_chat_engines_stream(script, index, caller, mode):
    talk = script("It is 43 metres high.")
    engine = index.as_chat_engine(llm=talk.llm, chat_mode=mode, memory=ChatMemoryBuffer.from_defaults(llm=talk.llm))
    response = await caller.call(engine, "stream_chat", QUESTION)
    if caller.asynchronous:
        pieces = [piece async for piece in response.async_response_gen()]
    else:
        pieces = list(response.response_gen)
    assert "".join(pieces) == "It is 43 metres high."
    assert len(pieces) > 2
    assert talk.bodies[-1]["stream"] is True


class Height(BaseModel):
    """How high something is."""

    name: str
    metres: int


@pytest.mark.parametrize("mode", [ResponseMode.COMPACT, ResponseMode.REFINE, ResponseMode.TREE_SUMMARIZE])
@pytest.mark.parametrize("by_schema", [False, True], ids=["call", "schema"])
async def test_query_engines_answer_with_objects(script, index, caller, mode, by_schema):
    written = {"name": "lighthouse", "metres": "43"}
    answer = '{"name": "lighthouse", "metres": 43}' if by_schema else [Call("Height", written)]
    talk = script(answer, should_use_structured_outputs=by_schema)
    engine = index.as_query_engine(llm=talk.llm, response_mode=mode, output_cls=Height, similarity_top_k=1)
    response = await caller.call(engine, "query", QUESTION)
    assert response.response == Height(name="lighthouse", metres=43)


async def test_a_text_without_an_object_is_passed_over(script, caller):
    talk = script("It does not say.", "I cannot tell.", [Call("Height", {"name": "lighthouse", "metres": 43})])
    synthesizer = get_response_synthesizer(llm=talk.llm, response_mode=ResponseMode.REFINE, output_cls=Height)
    nodes = [NodeWithScore(node=TextNode(text=fact)) for fact in FACTS[:2]]
    response = await caller.call(synthesizer, "synthesize", QUESTION, nodes)
    assert response.response == Height(name="lighthouse", metres=43)
    assert [fact in talk.bodies[-1]["messages"][1]["content"] for fact in FACTS] == [False, True, False]


async def test_a_structured_model_answers_from_documents(script, index):
    talk = script([Call("Height", {"name": "lighthouse", "metres": 43})])
    engine = index.as_query_engine(llm=talk.llm.as_structured_llm(Height), similarity_top_k=1)
    assert (await engine.aquery(QUESTION)).response == Height(name="lighthouse", metres=43)


@pytest.fixture
def engines(index):
    """Two engines that the model may choose between."""

    def make(llm):
        named = {"heights": "How high things are", "people": "Who does what"}
        engine = index.as_query_engine(llm=llm, similarity_top_k=1)
        return [QueryEngineTool.from_defaults(engine, name=name, description=text) for name, text in named.items()]

    return make


@pytest.mark.parametrize(
    ("selector", "choice"),
    [
        (PydanticSingleSelector, [Call("SingleSelection", {"index": "1", "reason": "heights"})]),
        (PydanticMultiSelector, [Call("MultiSelection", {"selections": [{"index": 1, "reason": "heights"}]})]),
        (LLMSingleSelector, '[{"choice": 1, "reason": "heights"}]'),
    ],
)
async def test_routers_choose(script, engines, caller, selector, choice):
    talk = script(choice, "43 metres.")
    router = RouterQueryEngine.from_defaults(
        engines(talk.llm), llm=talk.llm, selector=selector.from_defaults(llm=talk.llm)
    )
    response = await caller.call(router, "query", QUESTION)
    assert str(response) == "43 metres."
    assert response.metadata["selector_result"].inds == [0]


def test_a_router_takes_the_selector_that_calls(script, engines):
    talk = script([Call("SingleSelection", {"index": 1, "reason": "heights"})], "43 metres.")
    assert str(RouterQueryEngine.from_defaults(engines(talk.llm), llm=talk.llm).query(QUESTION)) == "43 metres."
    assert talk.bodies[0]["tool_choice"]["function"]["name"] == "SingleSelection"


async def test_sub_questions(script, engines, caller):
    questions = '{"items": [{"sub_question": "How high?", "tool_name": "heights"}]}'
    talk = script(f"```json\n{questions}\n```", "43 metres.", "It is 43 metres high.")
    engine = SubQuestionQueryEngine.from_defaults(
        engines(talk.llm),
        llm=talk.llm,
        question_gen=LLMQuestionGenerator.from_defaults(llm=talk.llm),
        response_synthesizer=get_response_synthesizer(llm=talk.llm),
        use_async=caller.asynchronous,
        verbose=False,
    )
    assert str(await caller.call(engine, "query", QUESTION)) == "It is 43 metres high."


async def test_a_query_engine_of_ones_own_parts(rules, index, caller):
    talk = rules()
    engine = RetrieverQueryEngine.from_args(index.as_retriever(similarity_top_k=1), llm=talk.llm)
    response = await caller.call(engine, "query", QUESTION)
    assert str(response) == FACTS[1]


async def test_documents_are_ingested_with_what_the_model_says_of_them(script, tmp_path):
    (tmp_path / "harbour.txt").write_text("\n\n".join(FACTS))
    talk = script("Oosterend", "Harbour of Oosterend", "harbour, ferry", "About a harbour.")
    extractors = [TitleExtractor(llm=talk.llm, num_workers=1)]
    extractors += [KeywordExtractor(llm=talk.llm, num_workers=1), SummaryExtractor(llm=talk.llm, num_workers=1)]
    pipeline = IngestionPipeline(transformations=[SentenceSplitter(), *extractors])
    documents = SimpleDirectoryReader(tmp_path).load_data()
    [node] = await pipeline.arun(documents=documents)
    assert node.metadata["document_title"] == "Harbour of Oosterend"
    assert node.metadata["excerpt_keywords"] == "harbour, ferry"
    assert node.metadata["section_summary"] == "About a harbour."
    assert FACTS[0] in node.get_content(MetadataMode.NONE)


async def test_pieces_are_put_into_the_context_of_their_document(script):
    talk = script("About a harbour.")
    document, store = Document(text=FACTS[0]), SimpleDocumentStore()
    store.add_documents([document])
    extractor = DocumentContextExtractor(docstore=store, llm=talk.llm, max_context_length=1000)
    [node] = await IngestionPipeline(transformations=[SentenceSplitter(), extractor]).arun(documents=[document])
    assert node.metadata["context"] == "About a harbour."
    assert [message["content"].count(FACTS[0]) for message in talk.bodies[0]["messages"]] == [1, 1]


@pytest.mark.parametrize("evaluator", [FaithfulnessEvaluator, RelevancyEvaluator])
@pytest.mark.parametrize(("verdict", "passing"), [("YES", True), ("NO", False)])
async def test_evaluators(script, index, evaluator, verdict, passing):
    talk = script(verdict, verdict)
    result = await evaluator(llm=talk.llm).aevaluate(QUESTION, "43 metres", [FACTS[1]])
    assert result.passing is passing
    assert FACTS[1] in "".join(message["content"] for message in talk.bodies[0]["messages"])


async def test_reranking_in_words(script, index):
    talk = script("Doc: 2, Relevance: 9\nDoc: 1, Relevance: 3")
    nodes = [NodeWithScore(node=TextNode(text=fact)) for fact in FACTS]
    best, _ = LLMRerank(llm=talk.llm, top_n=2).postprocess_nodes(nodes, query_str=QUESTION)
    assert best.node.text == FACTS[1]


async def test_a_summary_of_all_documents(script, caller):
    talk = script("A harbour.")
    summary = SummaryIndex.from_documents([Document(text=fact) for fact in FACTS])
    engine = summary.as_query_engine(llm=talk.llm, response_mode="tree_summarize")
    assert str(await caller.call(engine, "query", "What is it about?")) == "A harbour."
    assert all(fact in talk.bodies[0]["messages"][-1]["content"] for fact in FACTS)
