"""Everything the service may do, or is only suspected of, can be had by a switch: for a request, a server, a script.

Each row is a behaviour, the faults that bring it about, what is said and asked, and how it shows on the wire.
"""

import json
from dataclasses import dataclass, field

import httpx
import pytest

from cf_llama_emulator.faults import CATALOGUE, read_plan
from cf_llama_emulator.testing import Call, Faults, ScriptedEmulator
from cf_llama_emulator.wire.chunks import split
from tests.cf_llama_emulator.client import MODEL, ORDINARY_TOOLS, ask_user, tool

ADD = Call("add", {"a": 1})
TOOLS = {"tools": [tool("add", a="integer")]}
SCHEMA = {"type": "json_schema", "json_schema": {"type": "object", "properties": {"a": {"type": "integer"}}}}
WRAPPED = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA["json_schema"]}}
DONE = b"data: [DONE]\n\n"


def history(**message):
    return {"messages": [{"role": "user", "content": "Hi"}, message]}


NULL = history(role="assistant", content=None)
ABSENT = history(role="assistant")
PARTS = history(role="user", content=[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])
OBJECT_ARGUMENTS = history(role="assistant", content="", tool_calls=[{"name": "add", "arguments": {"a": 1}}])


@dataclass
class Came:
    """What came over the wire."""

    status: int = 0
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    content: bytes = b""
    end: type | None = None
    """The exception that ended it."""

    @property
    def json(self):
        return json.loads(self.content)

    @property
    def result(self):
        return self.json["result"]

    @property
    def code(self):
        return self.json["errors"][0]["code"]

    @property
    def events(self):
        data = (part.removeprefix(b"data: ") for part in self.content.split(b"\n\n") if part)
        return [json.loads(part) for part in data if part != b"[DONE]"]

    def all(self, key):
        return [event[key] for event in self.events if key in event]

    @property
    def deltas(self):
        return [choice["delta"] for event in self.events for choice in event.get("choices", ())]


@dataclass
class Row:
    """A behaviour."""

    name: str
    faults: str
    shows: object
    say: object = "Hello there"
    body: dict = field(default_factory=dict)
    stream: bool = False
    path: str = f"ai/run/{MODEL}"


def streamed(name, faults, shows, say="Hello there", **body):
    return Row(name, faults, shows, say, body, stream=True)


def v1(name, faults, shows, say="Hello there", *, stream=False):
    return Row(name, faults, shows, say, {"model": MODEL}, stream, "ai/v1/chat/completions")


def refusal(status, code):
    return lambda came: (came.status, came.code) == (status, code)


def sum_of(came, key):
    return sum(usage[key] for usage in came.all("usage"))


SHAPES = [
    Row(
        "native", "shape=native", lambda came: came.result["response"] == "Hello there" and "choices" not in came.result
    ),
    Row(
        "hybrid",
        "shape=hybrid",
        lambda came: came.result["response"] == came.result["choices"][0]["message"]["content"] == "Hello there",
    ),
    Row("openai", "shape=openai", lambda came: "response" not in came.result and came.result["choices"]),
    Row("hybrid without response", "shape=hybrid, absent=response", lambda came: "response" not in came.result),
    Row("hybrid without choices", "shape=hybrid, absent=choices", lambda came: "choices" not in came.result),
    Row("native without tool_calls", "absent=tool_calls", lambda came: "tool_calls" not in came.result),
    Row("no envelope", "bare", lambda came: came.json["response"] == "Hello there"),
    Row("whole answer of digits", "", lambda came: came.result["response"] == 42, "42"),
    Row("whole answer null", "", lambda came: came.result["response"] is None, "null"),
    Row("whole answer true", "", lambda came: came.result["response"] is True, "true"),
    Row("whole answer an object", "", lambda came: came.result["response"] == {"a": 1}, '{"a": 1}'),
    Row("JSON as text", "tokens=text", lambda came: came.result["response"] == '{"a": 1}', '{"a": 1}'),
    Row(
        "text in choices stays text",
        "shape=hybrid",
        lambda came: (came.result["response"], came.result["choices"][0]["message"]["content"]) == (7, "7 \n"),
        ["7 \n"],
    ),
    v1("v1 without envelope", "", lambda came: came.json["choices"][0]["message"]["content"] == "Hello there"),
    v1("v1 digits in delta", "", lambda came: {"content": 6} in came.deltas, "6", stream=True),
    Row(
        "tokens out of a cache",
        "cached=1",
        lambda came: came.result["usage"]["prompt_tokens_details"] == {"cached_tokens": 1},
    ),
    Row(
        "more neurons than usual",
        "shape=hybrid, neurons=10",
        lambda came: came.headers["cf-ai-neurons"] == f"{came.result['usage']['neurons']:.2f}" == "8.46",
    ),
    Row("usage missing", "no-usage", lambda came: "usage" not in came.result),
    Row("empty call in a whole answer", "empty-calls", lambda came: came.result["tool_calls"][1] == {}, [ADD], TOOLS),
    Row("call leaks", "leak=json", lambda came: came.result["response"]["name"] == "add", [ADD], TOOLS),
    Row(
        "no reason to finish",
        "shape=hybrid, finish-reason=absent",
        lambda came: came.result["choices"][0]["finish_reason"] is None,
    ),
]

STREAMS = [
    streamed("native", "padding=on", lambda came: all("p" in event for event in came.events[:-1])),
    streamed("no padding", "padding=off", lambda came: came.all("p") == []),
    streamed("hybrid", "shape=hybrid", lambda came: came.all("response")[1] == came.deltas[1]["content"] == "Hello"),
    streamed(
        "numbers",
        "shape=hybrid",
        lambda came: (4 in came.all("response"), came.deltas[1]["content"]) == (True, "4"),
        "4",
    ),
    streamed(
        "empty beside the role",
        "shape=hybrid, empty-beside",
        lambda came: came.deltas[1] == {"role": "assistant", "content": ""} and came.all("response")[1] == "Hello",
    ),
    streamed("nulls for nothing", "nulls", lambda came: None in came.all("response")),
    *(
        streamed(
            f"last text with the finish reason, {shape}",
            f"shape={shape}, text-at-end, usage-twice=zeros",
            lambda came: _text_of_the_last_spoken(came) == " there",
        )
        for shape in ("native", "hybrid", "openai")
    ),
    streamed("counts as increments, native", "increments", lambda came: len(came.all("usage")) > 3),
    streamed(
        "increments with no sum",
        "increments, no-usage=closing",
        lambda came: (sum_of(came, "prompt_tokens"), sum_of(came, "completion_tokens")) == (1, 4),
    ),
    streamed(
        "increments with no sum, hybrid",
        "shape=hybrid, no-usage=closing",
        lambda came: sum_of(came, "completion_tokens") == 4,
    ),
    streamed(
        "one sum at the end", "shape=hybrid, no-usage=increments", lambda came: {len(came.all("usage")), 2, 3} == {2, 3}
    ),
    streamed("closing counts twice", "usage-twice", lambda came: len(came.all("usage")) == 2),
    streamed("then zeros", "usage-twice=zeros", lambda came: came.all("usage")[-1]["total_tokens"] == 0),
    streamed("tokens out of a cache", "cached", lambda came: "cached_tokens" in str(came.all("usage"))),
    streamed("no counts", "no-usage", lambda came: came.all("usage") == []),
    streamed(
        "finish reason at the top",
        "shape=hybrid, finish-reason=top",
        lambda came: came.all("finish_reason") == ["stop"],
    ),
    streamed("no [DONE]", "no-done", lambda came: came.all("usage") and not came.content.endswith(DONE)),
    streamed("nothing said", "nothing", lambda came: set(came.all("response")) == {""}),
    streamed("nothing but [DONE]", "nothing=events", lambda came: came.content == DONE),
    streamed("nothing at all", "truncate=start", lambda came: (came.status, came.content) == (200, b"")),
    streamed("answered whole", "json-answer", lambda came: came.result["response"] == "Hello there"),
    streamed("answered whole and bare", "json-answer, bare", lambda came: came.json["response"] == "Hello there"),
    streamed("as the gateway records it", "recorded", lambda came: came.json["streamed_data"]),
    streamed("as the gateway records it, in the envelope's place", "recorded", lambda came: "result" not in came.json),
]

STREAMED_CALLS = [
    streamed(
        "fragments in both forms",
        "shape=hybrid",
        lambda came: "".join(call["function"].get("arguments", "") for call in _calls(came.deltas)) == '{"a": 1}',
        [ADD],
        **TOOLS,
    ),
    streamed(
        "whole in both forms", "shape=hybrid, whole-calls", lambda came: len(_calls(came.deltas)) == 1, [ADD], **TOOLS
    ),
    streamed(
        "whole, native",
        "",
        lambda came: _calls(came.events) == [{"name": "add", "arguments": {"a": 1}}],
        [ADD],
        **TOOLS,
    ),
    streamed(
        "native fragments like OpenAI's",
        "shape=hybrid, top-fragments, null-finalisation",
        lambda came: (
            _calls(came.events)[-1]
            == {"id": None, "type": None, "index": 0, "function": {"name": None, "arguments": ""}}
        ),
        [ADD],
        **TOOLS,
    ),
    streamed(
        "no ids",
        "shape=hybrid, ids=absent",
        lambda came: not any("id" in call for call in _calls(came.deltas)),
        [ADD],
        **TOOLS,
    ),
    streamed(
        "ids repeat",
        "shape=hybrid, ids=repeated",
        lambda came: _calls(came.deltas)[0]["id"] == "chatcmpl-tool-0",
        [ADD],
        **TOOLS,
    ),
    streamed("empty entries", "empty-calls", lambda came: {} in _calls(came.events), [ADD], **TOOLS),
    streamed(
        "text before a call",
        "",
        lambda came: "Well: " in came.all("response") and _calls(came.events),
        ["Well: ", ADD],
        **TOOLS,
    ),
]

REQUEST_FAULTS = [
    Row("content null refused", "", refusal(400, 5006), body=NULL),
    Row("content null taken", "takes-content", lambda came: came.status == 200, body=NULL),
    Row("content absent taken", "takes-content", lambda came: came.status == 200, body=ABSENT),
    Row("parts refused", "", refusal(400, 5006), body=PARTS),
    Row("parts taken", "takes-content", lambda came: came.result["usage"]["prompt_tokens"] == 2, body=PARTS),
    Row("arguments as an object taken", "", lambda came: came.status == 200, body=OBJECT_ARGUMENTS),
    Row("arguments as an object refused", "text-arguments", refusal(400, 8001), body=OBJECT_ARGUMENTS),
    Row(
        "tool_choice ignored",
        "tool-choice=ignored",
        lambda came: came.status == 200,
        body=TOOLS | {"tool_choice": "any"},
    ),
    Row("tool_choice refused", "tool-choice=refused", refusal(400, 8001), body=TOOLS | {"tool_choice": "auto"}),
    Row("out of range refused", "", refusal(400, 5006), body={"temperature": 6}),
    Row("out of range taken", "takes-any-range", lambda came: came.status == 200, body={"temperature": 6}),
    Row("numbers as text refused", "", refusal(400, 5006), body={"max_tokens": "5"}),
    Row(
        "numbers as text taken",
        "takes-text",
        lambda came: came.result["usage"]["completion_tokens"] == 2,
        body={"max_tokens": "2"},
    ),
    Row("schema in a wrapper taken", "", lambda came: came.status == 200, body={"response_format": WRAPPED}),
    Row("schema in a wrapper refused", "bare-schema", refusal(400, 5006), body={"response_format": WRAPPED}),
    streamed("schema and stream refused", "", refusal(400, 5023), response_format=SCHEMA),
    streamed(
        "schema and stream taken", "json-streams", lambda came: came.content.endswith(DONE), response_format=SCHEMA
    ),
    Row("stop ignored", "", lambda came: came.result["response"] == "Hello there", body={"stop": ["th"]}),
    Row("stop honoured", "stop", lambda came: came.result["response"] == "Hello ", body={"stop": ["th"]}),
    streamed("stop honoured across events", "stop", lambda came: "".join(came.all("response")) == "Hell", stop="o t"),
    Row("no room", "", refusal(413, 5021), body={"max_tokens": 24_000}),
    Row("less room", "window=100", refusal(413, 5021), body={"max_tokens": 100}),
    Row("more room", "window=99999", lambda came: came.status == 200, body={"max_tokens": 24_000}),
    Row("raw beside messages taken", "", lambda came: came.status == 200, body={"raw": True}),
    Row("raw beside messages refused", "prompt-alone", refusal(400, 5006), body={"raw": True}),
    Row("lora beside messages refused", "prompt-alone", refusal(400, 5006), body={"lora": "mine"}),
    *(
        row
        for number, tool in enumerate(ORDINARY_TOOLS)
        for row in (
            Row(f"ordinary tool {number} taken", "", lambda came: came.status == 200, body={"tools": [tool]}),
            Row(f"ordinary tool {number} refused", "tools=strict", refusal(400, 5006), body={"tools": [tool]}),
        )
    ),
    Row("a tool by the page taken", "tools=strict", lambda came: came.status == 200, body=TOOLS),
]

REFUSALS = [
    Row("200 that failed", "error=3043, status", lambda came: (came.status, came.json["success"]) == (200, False)),
    *(
        Row(f"page {status}", f"page={status}", lambda came, status=status: came.status == status)
        for status in (520, 522, 527)
    ),
    Row("HTML page", "page", lambda came: came.headers["content-type"].startswith("text/html")),
    Row(
        "edge 1015 waits",
        "edge-limited, retry-after=30",
        lambda came: (came.status, came.headers["retry-after"]) == (429, "30"),
    ),
    Row("edge 1015 in JSON", "edge-limited, form=problem", lambda came: came.json["error_code"] == 1015),
    Row("edge 1010", "error=1010, form=text", lambda came: (came.status, came.content) == (403, b"error code: 1010")),
    Row("rate", "rate-limited", lambda came: came.code == 3021 and "retry-after" not in came.headers),
    Row("rate with a wait", "rate-limited, retry-after=5", lambda came: came.headers["retry-after"] == "5"),
    Row("rate per minute", "rate-limit=0", refusal(429, 3021)),
    Row(
        "rate told as 2009",
        "rate-limit=0, code=2009, form=gateway",
        lambda came: (came.status, came.json["error"][0]["code"]) == (401, 2009),
    ),
    Row("2009 inside 400", "error=2009, status=400", refusal(400, 2009)),
    Row("quota as seen", "quota-spent", refusal(429, 4006)),
    Row("quota as documented", "quota-spent=3036", refusal(429, 3036)),
    Row("quota of the day", "quota=0", refusal(429, 4006)),
    Row("quota of the day, documented", "quota=0, code=3036", refusal(429, 3036)),
    Row("capacity", "capacity", refusal(429, 3040)),
    Row("busy, not to be waited for", "busy=60", refusal(429, 3040), body={"options": {"rejectIfBusy": True}}),
    Row("busy, waited for", "busy=0.01", lambda came: came.status == 200),
    Row("time-out", "latency=0.01, error=3046", refusal(408, 3046)),
    Row("JSON mode fails", "error=5024, status=422", refusal(422, 5024)),
    Row("guardrails on the prompt", "guardrails", refusal(400, 2016)),
    Row("guardrails on the answer", "guardrails=answer", refusal(400, 2017)),
    Row("a code nobody knows", "error=4321, status=503", refusal(503, 4321)),
    *(
        Row(
            f"gateway {code}",
            f"error={code}, form=gateway",
            lambda came, code=code: came.json["error"][0]["code"] == code,
        )
        for code in (2001, 2003, 2005, 2014, 2016, 2021, 2040, 2041, 2045)
    ),
]

BREAKS = [
    streamed(
        "mid-event", "cut=byte", lambda came: came.end is httpx.RemoteProtocolError and came.content[-1:] != b"\n"
    ),
    streamed(
        "between events",
        "cut=event",
        lambda came: came.end is httpx.RemoteProtocolError and came.content.endswith(b"\n\n"),
    ),
    streamed("in a character", "padding=off, cut=character@0", lambda came: came.content.endswith(b"\xc3"), ["ü"]),
    streamed("reset", "reset", lambda came: came.end is httpx.ReadError),
    streamed("half open", "hang", lambda came: came.end is httpx.ReadTimeout and came.content),
    streamed(
        "open behind [DONE]", "hang=end", lambda came: came.end is httpx.ReadTimeout and came.content.endswith(DONE)
    ),
    streamed("an error for an event", "error-event=name", lambda came: came.events[-1]["internalCode"] == 3043),
    Row("no status line", "no-answer", lambda came: came.end is httpx.RemoteProtocolError),
    Row("a whole answer in the middle", "cut=byte", lambda came: came.end is httpx.RemoteProtocolError),
    streamed("one byte at a time", "split=1", lambda came: came.content.endswith(DONE)),
    streamed("slow drip", "drip=0.0001", lambda came: came.content.endswith(DONE)),
    streamed("late and uneven", "latency=0.01, jitter=0.01", lambda came: came.content.endswith(DONE)),
    streamed("a huge event", "huge-event=2048", lambda came: len(came.events[0]["p"]) == 2_097_152),
    Row("gzip", "gzip", lambda came: came.headers["content-encoding"] == "gzip" and came.result),
    Row(
        "wrong type", "content-type=text/html", lambda came: came.headers["content-type"] == "text/html" and came.result
    ),
]

TOGETHER = [
    streamed(
        "five at once",
        "shape=hybrid, text-at-end, no-usage, framing=crlf, split=3, gzip",
        lambda came: (
            b'"finish_reason":"stop"' in came.content and b"usage" not in came.content and b"\r\n\r\n" in came.content
        ),
    ),
    streamed(
        "a refusal, late and cut",
        "latency=0.01, capacity, form=binding, cut=byte@1",
        lambda came: came.status == 429 and came.end,
    ),
]

ROWS = [*SHAPES, *STREAMS, *STREAMED_CALLS, *REQUEST_FAULTS, *REFUSALS, *BREAKS, *TOGETHER]


def _calls(holders):
    return [call for holder in holders for call in holder.get("tool_calls") or ()]


def _text_of_the_last_spoken(came):
    """Return the text of the event that ends an answer."""
    ends = [event for event in came.events if any(choice["finish_reason"] for choice in event.get("choices", ()))]
    end = (ends or [event for event in came.events if "usage" in event])[0]
    return end.get("response") or end["choices"][0]["delta"]["content"]


@pytest.fixture(scope="module")
def emulator():
    with ScriptedEmulator() as running:
        yield running


@pytest.fixture(scope="module")
def http(emulator):
    headers = {"authorization": f"Bearer {emulator.api_token}"}
    with httpx.Client(headers=headers, timeout=30) as client:
        yield client


def turn_of(row, way):
    """Return what the script says; with the faults of the row at its head where they are to come from there."""
    if way != "script":
        return row.say
    return [Faults(row.faults), *(split(row.say) if isinstance(row.say, str) else row.say)]


def ways(row):
    """Return where the faults of a row can come from: a script is asked too late for some."""
    early = any(CATALOGUE[name].early for name in read_plan(row.faults).values)
    return ("header", "server") if early else ("header", "server", "script")


@pytest.mark.parametrize(
    ("row", "way"),
    [
        pytest.param(row, way, id=f"{row.name}{', streamed' * row.stream}, by {way}")
        for row in ROWS
        for way in ways(row)
    ],
)
def test_it_shows_on_the_wire(emulator, http, row, way):
    emulator.cleared().say(turn_of(row, way))
    emulator.always(row.faults if way == "server" else "")
    url = f"{emulator.base_url}/accounts/{emulator.account_id}/{row.path}"
    body = ask_user("Hi") | row.body | {"stream": row.stream}
    came = Came()
    headers = {"x-emulator-faults": row.faults if way == "header" else ""}
    try:
        with http.stream("POST", url, json=body, headers=headers, timeout=2 if "hang" in row.faults else 30) as answer:
            came.status, came.headers = answer.status_code, answer.headers
            for chunk in answer.iter_bytes():
                came.content += chunk
    except httpx.HTTPError as error:
        came.end = type(error)
    assert row.shows(came), came
