"""The local engine: what it makes of a runtime's events, and (marked `local`) what a real model makes of it."""

import asyncio
import json
import sys
import threading
import types
from contextlib import aclosing

import pytest

from cf_llama_emulator.engines.local.engine import LocalEngine, LocalModelError
from cf_llama_emulator.engines.local.weights import CATALOGUE
from cf_llama_emulator.server import serve
from cf_llama_emulator.wire.engine_protocol import Call, End, EngineRequest, Text, Tool
from cf_llama_emulator.wire.errors import ServiceError
from tests.cf_llama_emulator.client import hang_up_in_a_stream

ADD = Tool(
    "add",
    "Add two integers",
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"]},
)
WEATHER = Tool(
    "get_weather",
    "Current weather of a city",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
TOOLS = (ADD, WEATHER)
OSLO = {"name": "get_weather", "arguments": {"city": "Oslo"}}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}


def ask(text="What is 2 plus 3?", *messages, **keys):
    return EngineRequest(model="m", messages=({"role": "user", "content": text}, *messages), **keys)


async def pieces_of(engine, asked):
    return [piece async for piece in engine.answer(asked)]


def text_of(pieces):
    return "".join(piece.text for piece in pieces if isinstance(piece, Text))


class Runtime:
    """Stands in for xllamacpp: it plays one answer after the other and keeps the bodies it was asked."""

    def __init__(self):
        self.answers, self.bodies, self.parameters = [], [], None
        self.stopped = threading.Event()

    def install(self, monkeypatch):
        module = types.ModuleType("xllamacpp")
        module.CommonParams = lambda: types.SimpleNamespace(
            model=types.SimpleNamespace(), cpuparams=types.SimpleNamespace(), cpuparams_batch=types.SimpleNamespace()
        )
        module.Server = self._load
        monkeypatch.setitem(sys.modules, "xllamacpp", module)

    def _load(self, parameters):
        self.parameters = parameters
        return types.SimpleNamespace(handle_chat_completions=self._chat, handle_completions=self._completion)

    def _chat(self, body, pass_on):
        self._play(body, pass_on, lambda text: {"delta": {"content": text}})

    def _completion(self, body, pass_on):
        self._play(body, pass_on, lambda text: {"text": text})

    def _play(self, body, pass_on, choice):
        self.bodies.append(body)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, dict):
            pass_on(answer)
            return
        *texts, reason = answer
        pass_on({"choices": [{"delta": {"role": "assistant", "content": None}}], "prompt_progress": {}})
        for count, text in enumerate(texts, 1):
            timings = {"cache_n": 4, "prompt_n": 3, "predicted_n": count}
            if pass_on({"choices": [choice(text) | {"finish_reason": None}], "timings": timings}):
                self.stopped.set()
                return
        pass_on({"choices": [{"delta": {}, "finish_reason": reason}]})


@pytest.fixture
def runtime(monkeypatch):
    stand_in = Runtime()
    stand_in.install(monkeypatch)
    return stand_in


@pytest.fixture
def engine(runtime, tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    return LocalEngine(tmp_path / "model.gguf", threads=3)


def test_is_named_after_its_file(engine):
    assert engine.name == "local:model"


def test_a_client_that_hangs_up_in_a_stream_makes_no_noise(engine, runtime, caplog, capfd):
    runtime.answers.append(["word "] * 5_000 + ["stop"])
    with serve(engine) as emulator:
        hang_up_in_a_stream(emulator)
        assert runtime.stopped.wait(5)
    assert (caplog.records, capfd.readouterr().err) == ([], "")


def test_the_runtimes_own_port_is_closed_to_others(engine, runtime):
    [key] = runtime.parameters.api_keys
    assert len(key) > 20
    assert runtime.parameters.cors_origins == ""
    assert runtime.parameters.cpuparams.n_threads == runtime.parameters.cpuparams_batch.n_threads == 3


@pytest.mark.parametrize("reason", ["stop", "length"])
async def test_text_comes_token_by_token_with_exact_counts(engine, runtime, reason):
    runtime.answers = [["It", " is", " 5.", reason]]
    assert await pieces_of(engine, ask()) == [Text("It"), Text(" is"), Text(" 5."), End(reason, 7, 3)]


async def test_a_raw_prompt_is_continued_without_a_template(engine, runtime):
    runtime.answers = [[" Paris", "length"]]
    pieces = await pieces_of(
        engine, EngineRequest(model="m", prompt="The capital of France is", raw=True, max_tokens=1)
    )
    assert pieces == [Text(" Paris"), End("length", 7, 1)]
    assert runtime.bodies[0]["prompt"] == "The capital of France is"


async def test_words_stream_although_tools_are_there(engine, runtime):
    runtime.answers = [["It", " is", " 5.", "stop"]]
    assert await pieces_of(engine, ask(tools=TOOLS)) == [Text("It"), Text(" is"), Text(" 5."), End("stop", 7, 3)]


async def test_a_call_written_as_text_becomes_a_call(engine, runtime):
    runtime.answers = [["```", "json\n{", '"name": "add", "arguments": {"a": 2, "b": 3}', "}", "\n```", "stop"]]
    assert await pieces_of(engine, ask(tools=TOOLS)) == [Call("add", {"a": 2, "b": 3}), End("stop", 7, 5)]
    assert [tool["function"]["name"] for tool in runtime.bodies[0]["tools"]] == ["add", "get_weather"]


async def test_decoding_stops_when_nothing_after_a_call_can_matter(engine, runtime):
    runtime.answers = [['{"name": "add", "arguments": {"a": 2, "b": 3}}', "\nThe", *[" result"] * 1_000_000, "stop"]]
    assert (await pieces_of(engine, ask(tools=TOOLS)))[-1] == End("stop", 7, 2)
    assert await asyncio.to_thread(runtime.stopped.wait, 5)


async def test_a_call_with_wrong_arguments_is_written_anew_under_its_schema(engine, runtime):
    wrong, right = (f'{{"name": "add", "arguments": {{"a": {a}, "b": 3}}}}' for a in ('"two"', "2"))
    runtime.answers = [[wrong, "stop"], [right[:9], right[9:], "stop"]]
    assert await pieces_of(engine, ask(tools=TOOLS)) == [Call("add", {"a": 2, "b": 3}), End("stop", 7, 2)]
    schema = runtime.bodies[1]["response_format"]["json_schema"]["schema"]
    assert schema["properties"] == {"name": {"const": "add"}, "arguments": ADD.parameters}


async def test_a_call_that_was_made_already_gives_way_to_words(engine, runtime):
    call = '{"name": "add", "arguments": {"a": 2, "b": 3}}'
    history = (
        {"role": "assistant", "content": "", "tool_calls": [{"name": "add", "arguments": {"a": 2, "b": 3}}]},
        {"role": "tool", "content": "5", "name": "add"},
    )
    runtime.answers = [[call, "stop"], ["It is 5.", "stop"]]
    pieces = await pieces_of(engine, ask("What is 2 plus 3?", *history, tools=TOOLS))
    assert pieces == [Text("It is 5."), End("stop", 7, 1)]
    assert "tools" not in runtime.bodies[1]


async def test_a_call_written_anew_that_was_made_already_gives_way_too(engine, runtime):
    history = (
        {"role": "assistant", "content": "", "tool_calls": [{"name": "add", "arguments": {"a": 2, "b": 3}}]},
        {"role": "tool", "content": "5", "name": "add"},
    )
    runtime.answers = [['{"name": "add", "arguments": {a', "stop"]]
    runtime.answers += [['{"name": "add", "arguments": {"a": 2, "b": 3}}', "stop"], ["It is 5.", "stop"]]
    pieces = await pieces_of(engine, ask("What is 2 plus 3?", *history, tools=TOOLS))
    assert pieces == [Text("It is 5."), End("stop", 7, 1)]


async def test_a_call_written_anew_that_does_not_end_gives_way_too(engine, runtime):
    runtime.answers = [
        ['{"name": "add", "arguments": {a', "stop"],
        ['{"name": "add", ', "length"],
        ["It is 5.", "stop"],
    ]
    assert await pieces_of(engine, ask(tools=TOOLS)) == [Text("It is 5."), End("stop", 7, 1)]


async def test_what_looked_like_a_call_and_is_none_is_text(engine, runtime):
    runtime.answers = [['{"name"', ': "Ann"}', "stop"]]
    pieces = await pieces_of(engine, ask(tools=TOOLS))
    assert text_of(pieces) == '{"name": "Ann"}'


async def test_a_call_that_was_cut_is_text_and_says_length(engine, runtime):
    runtime.answers = [['{"name": "add", "argum', "length"]]
    assert await pieces_of(engine, ask(tools=TOOLS)) == [Text('{"name": "add", "argum'), End("length", 7, 1)]


@pytest.mark.parametrize(("choice", "names"), [("required", ["add", "get_weather"]), ("get_weather", ["get_weather"])])
async def test_a_forced_call_is_bound_at_once(engine, runtime, choice, names):
    runtime.answers = [['{"name": "get_weather", "arguments": {"city": "Oslo"}}', "stop"]]
    pieces = await pieces_of(engine, ask(tools=TOOLS, tool_choice=choice))
    assert pieces == [Call("get_weather", {"city": "Oslo"}), End("stop", 7, 1)]
    schema = runtime.bodies[0]["response_format"]["json_schema"]["schema"]
    assert [one["properties"]["name"]["const"] for one in schema.get("anyOf", [schema])] == names


async def test_a_forced_call_that_is_cut_is_refused(engine, runtime):
    runtime.answers = [['{"name": "add', "length"]]
    with pytest.raises(ServiceError, match="8006"):
        await pieces_of(engine, ask(tools=TOOLS, tool_choice="required"))


async def test_tools_that_may_not_be_called_are_not_shown(engine, runtime):
    runtime.answers = [["5", "stop"]]
    await pieces_of(engine, ask(tools=TOOLS, tool_choice="none"))
    assert "tools" not in runtime.bodies[0]


async def test_tools_and_a_schema_give_a_call_or_json_never_words(engine, runtime):
    wanted = {"type": "json_schema", "json_schema": PERSON}
    runtime.answers = [["She is Ann.", "stop"], ['{"name": "Ann", "age": 3}', "stop"]]
    pieces = await pieces_of(engine, ask(tools=TOOLS, response_format=wanted))
    assert text_of(pieces) == '{"name": "Ann", "age": 3}'
    assert runtime.bodies[1]["response_format"]["json_schema"]["schema"] == PERSON


@pytest.mark.parametrize(
    ("answer", "refused", "words"),
    [
        (
            {"error": {"type": "exceed_context_size_error", "n_prompt_tokens": 30000, "n_ctx": 24000, "message": "…"}},
            (413, 5021),
            r"input tokens \(30000\) exceeded .* limit \(24000\)",
        ),
        ({"error": {"type": "server_error", "message": "out of memory"}}, (500, 3043), "out of memory"),
        (ValueError("JSON schema error at #: unrecognized type"), (400, 8001), "unrecognized type"),
    ],
)
async def test_a_refusal_of_the_runtime_is_one_of_the_service(engine, runtime, answer, refused, words):
    runtime.answers = [answer]
    with pytest.raises(ServiceError, match=words) as refusal:
        await pieces_of(engine, ask())
    assert (refusal.value.status, refusal.value.code) == refused


async def test_closing_the_answer_stops_the_decoding(engine, runtime):
    runtime.answers = [["word"] * 1_000_000 + ["stop"]]
    async with aclosing(engine.answer(ask())) as pieces:
        assert await anext(pieces) == Text("word")
    assert await asyncio.to_thread(runtime.stopped.wait, 5)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(LocalModelError, match=r"there is no file .*none\.gguf"):
        LocalEngine(tmp_path / "none.gguf")


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (ModuleNotFoundError("No module named 'xllamacpp'", name="xllamacpp"), r"pip install 'cf-llama\[local\]'"),
        (ImportError("libgomp.so.1: cannot open shared object file"), "apt-get install libgomp1"),
        (ImportError("undefined symbol"), "does not start on this machine: undefined symbol$"),
    ],
)
def test_a_runtime_that_cannot_be_had_is_explained(monkeypatch, tmp_path, failure, words):
    def refuse(name):
        raise failure

    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr("importlib.import_module", refuse)
    with pytest.raises(LocalModelError, match=words):
        LocalEngine(tmp_path / "model.gguf")


def test_a_file_that_is_no_model_is_named(tmp_path):
    pytest.importorskip("xllamacpp")
    (tmp_path / "model.gguf").write_bytes(b"nonsense")
    with pytest.raises(LocalModelError, match=r"llama\.cpp cannot load .*model\.gguf"):
        LocalEngine(tmp_path / "model.gguf")


@pytest.fixture(scope="module", params=CATALOGUE)
def model(request):
    """Each model of the catalogue that is on this machine."""
    weights = CATALOGUE[request.param]
    if not weights.in_cache:
        pytest.skip(f"not on this machine: cf-llama model pull {weights.name}")
    return LocalEngine(weights.path, name=weights.name)


def coldly(text, *messages, **keys):
    return ask(text, *messages, **{"sampling": {"temperature": 0}, "max_tokens": 100} | keys)


@pytest.mark.local
class TestRealModel:
    async def test_streams(self, model):
        pieces = await pieces_of(model, coldly("Count from one to five in words."))
        assert "three" in text_of(pieces).lower()
        assert len(pieces) > 5
        assert pieces[-1].prompt_tokens > 5
        assert len(pieces) - 1 <= pieces[-1].completion_tokens <= len(pieces) + 1

    async def test_stops_at_max_tokens(self, model):
        end = (await pieces_of(model, coldly("Count to a hundred.", max_tokens=7)))[-1]
        assert (end.finish_reason, end.completion_tokens) == ("length", 7)

    async def test_continues_a_raw_prompt(self, model):
        asked = EngineRequest(
            model="m", prompt="The capital of France is", raw=True, max_tokens=3, sampling={"temperature": 0}
        )
        assert "Paris" in text_of(await pieces_of(model, asked))

    async def test_fills_a_schema(self, model):
        wanted = {"type": "json_schema", "json_schema": PERSON}
        pieces = await pieces_of(model, coldly("Ann is 31 and lives in Bergen.", response_format=wanted))
        assert json.loads(text_of(pieces)) == {"name": "Ann", "age": 31}

    @pytest.mark.parametrize(
        ("question", "call"),
        [
            ("What is the weather in Paris?", Call("get_weather", {"city": "Paris"})),
            ("What is 12 plus 7? Use the tool.", Call("add", {"a": 12, "b": 7})),
        ],
    )
    async def test_calls_a_tool(self, model, question, call):
        assert (await pieces_of(model, coldly(question, tools=TOOLS)))[:-1] == [call]

    @pytest.mark.parametrize("choice", ["required", "add"])
    async def test_is_forced_to_call(self, model, choice):
        [call, end] = await pieces_of(model, coldly("Take 4 and 5.", tools=TOOLS, tool_choice=choice))
        assert call == Call("add", {"a": 4, "b": 5})
        assert end.finish_reason == "stop"

    async def test_uses_the_result(self, model):
        history = (
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"name": "get_weather", "arguments": {"city": "Oslo"}}],
            },
            {"role": "tool", "name": "get_weather", "content": "-3 degrees, snow"},
        )
        pieces = await pieces_of(model, coldly("What is the weather in Oslo?", *history, tools=TOOLS))
        assert "snow" in text_of(pieces)

    @pytest.mark.parametrize(
        ("question", "answer"),
        [
            ("Who designed the bridge?", "Fors"),
            ("How long is the bridge?", "412"),
            ("When was the bridge opened?", "1987"),
        ],
    )
    async def test_answers_from_a_context(self, model, question, answer):
        context = "The Orion bridge was opened in 1987. It is 412 metres long and was designed by Lena Fors."
        pieces = await pieces_of(model, coldly(f"Context:\n{context}\n\nAnswer from the context: {question}"))
        assert answer in text_of(pieces)

    async def test_refuses_what_does_not_fit_and_goes_on(self, model):
        with pytest.raises(ServiceError, match="5021"):
            await pieces_of(model, coldly("word " * 30_000))
        assert await pieces_of(model, coldly("Hi", max_tokens=2))

    async def test_stops_thinking_when_nobody_listens(self, model):
        async with aclosing(model.answer(coldly("Count to a thousand.", max_tokens=5_000))) as pieces:
            await anext(pieces)
        async with asyncio.timeout(30):
            await pieces_of(model, coldly("Hi", max_tokens=2))

    async def test_several_at_once_stay_apart(self, model):
        answers = await asyncio.gather(
            *(pieces_of(model, coldly(f"Say only the word {word}.", max_tokens=8)) for word in ("red", "green", "blue"))
        )
        for word, pieces in zip(("red", "green", "blue"), answers, strict=True):
            assert word in text_of(pieces).lower()
