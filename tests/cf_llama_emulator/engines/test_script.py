"""The script engine: turn by turn what the test says."""

import pytest

from cf_llama_emulator.engines.script import MEMORY, ScriptEngine
from cf_llama_emulator.wire.engine_protocol import Call, End, EngineRequest, Faults, Raw, Text
from cf_llama_emulator.wire.errors import ServiceError
from tests.cf_llama_emulator.client import ask_user

ASK = EngineRequest(model="m", prompt="Hi")
CALL = Call("add", {"a": 1})
RAW = Raw(500, {}, [b"x"])


async def answer(engine, ask=ASK):
    return [piece async for piece in engine.answer(ask)]


@pytest.mark.parametrize(
    ("turn", "pieces"),
    [
        ("Hello you 12", [Text("Hello"), Text(" you"), Text(" "), Text("12"), End(completion_tokens=5)]),
        ("", [End(completion_tokens=0)]),
        (["Hello you", " 12"], [Text("Hello you"), Text(" 12"), End(completion_tokens=4)]),
        (CALL, [CALL, End(completion_tokens=3)]),
        (["Wait.", CALL], [Text("Wait."), CALL, End(completion_tokens=5)]),
        (["One", End("length", 3, 4)], [Text("One"), End("length", 3, 4)]),
        (RAW, [RAW]),
        ([], [End(completion_tokens=0)]),
        (lambda ask: ask.prompt, [Text("Hi"), End(completion_tokens=1)]),
        (lambda ask: [CALL], [CALL, End(completion_tokens=3)]),
    ],
)
async def test_a_turn_is(turn, pieces):
    assert await answer(ScriptEngine([turn])) == pieces


@pytest.mark.parametrize(
    ("turn", "kind", "says"),
    [
        (42, TypeError, "a turn is a text, a call or a list of them, not 42"),
        (["one", None], TypeError, "not None"),
        (["one", Faults("capacity")], ValueError, "faults must come first"),
        ([Faults("capaciti"), "one"], ValueError, "fault must be one of .*, not 'capaciti'"),
        ([Faults("cut=middle"), "one"], ValueError, "fault cut must be one of byte, "),
        *(
            ([Faults(text), "one"], ValueError, "acts before a script is asked")
            for text in ("takes-content", "busy=1", "json-streams", "queue-stuck", "capacity, tool-choice=refused")
        ),
    ],
)
async def test_what_is_no_turn_is_refused_at_once_or_when_a_function_returns_it(turn, kind, says):
    with pytest.raises(kind, match=says):
        ScriptEngine([turn])
    with pytest.raises(ServiceError, match=says):
        await answer(ScriptEngine([lambda _: turn]))


async def test_turns_come_in_order_and_can_be_added():
    engine = ScriptEngine(["one", "two"])
    engine.say("three")
    assert engine.remaining == 3
    assert [(await answer(engine))[0].text for _ in range(3)] == ["one", "two", "three"]
    assert engine.remaining == 0
    assert engine.asks == [ASK, ASK, ASK]


async def test_max_tokens_cuts_a_turn_without_an_end_of_its_own():
    ask = EngineRequest(model="m", prompt="Hi", max_tokens=1)
    assert await answer(ScriptEngine(["Hello"]), ask) == [Text("Hell"), End("length", completion_tokens=1)]
    assert await answer(ScriptEngine([["Hello", End()]]), ask) == [Text("Hello"), End()]


async def test_exceptions_are_raised_in_their_turn():
    with pytest.raises(ServiceError, match="3040"):
        await answer(ScriptEngine([ServiceError(429, 3040, "busy")]))
    pieces = ScriptEngine([["One", KeyError("oh")]]).answer(ASK)
    assert await anext(pieces) == Text("One")
    with pytest.raises(KeyError):
        await anext(pieces)


def fails(_):
    raise AssertionError("not\nso")


def stops(_):
    pytest.fail("stop here")


async def test_what_a_function_raises_is_kept_and_answered_with_what_no_client_retries():
    engine = ScriptEngine([fails, "one", stops, "two"])
    with pytest.raises(ServiceError, match=r"turn 1 of the script failed: AssertionError: not$") as refused:
        await answer(engine)
    assert (refused.value.status, refused.value.code) == (400, 99_999)
    assert (await answer(engine))[0] == Text("one")
    with pytest.raises(ServiceError, match="turn 3 of the script failed: Failed: stop here"):
        await answer(engine)
    with pytest.raises(AssertionError, match="not\nso") as failed:
        engine.raise_failure()
    assert failed.traceback[-1].name == failed.value.__traceback__.tb_next.tb_next.tb_frame.f_code.co_name == "fails"
    assert failed.value.__notes__ == ["A later turn of the script failed too: Failed: stop here"]
    assert (engine.failures, engine.remaining) == ([], 0)
    engine.raise_failure()


async def test_a_refusal_that_a_function_raises_is_none():
    def refuses(_):
        raise ServiceError(429, 3040, "busy")

    engine = ScriptEngine([refuses])
    with pytest.raises(ServiceError, match="3040: busy"):
        await answer(engine)
    assert engine.failures == []


async def test_an_interrupt_passes():
    def interrupts(_):
        raise KeyboardInterrupt

    engine = ScriptEngine([interrupts])
    with pytest.raises(KeyboardInterrupt):
        await answer(engine)
    assert engine.failures == []


def test_no_fault_makes_a_failure_of_the_script_worth_a_retry(script):
    client = script(fails, faults="status=503, code=3043, cut=byte, retry-after, content-type=text/html")
    answer = client.run(ask_user("Hello"))
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, 99_999)
    assert "retry-after" not in answer.headers
    with pytest.raises(AssertionError, match="not"):
        client.emulator.close()


def test_an_empty_script_says_so_and_is_never_worth_a_retry(script):
    client = script("only one")
    assert client.run(ask_user("Hello")).status_code == 200
    answer = client.run(ask_user("Hello"))
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["code"]) == (400, 99_999)
    assert (
        "the script has no turn left for request 2, which ends with 'Hello'; say more, or ask less" in error["message"]
    )


async def test_what_was_asked_is_remembered_only_so_long():
    engine = ScriptEngine(["x"] * (MEMORY + 1))
    for number in range(MEMORY + 1):
        await answer(engine, EngineRequest(model="m", prompt=str(number)))
    assert (engine.asks[0].prompt, engine.asks[-1].prompt, len(engine.asks)) == ("1", str(MEMORY), MEMORY)
    with pytest.raises(ServiceError, match=f"request {MEMORY + 2}, which ends with 'Hi'"):
        await answer(engine, EngineRequest(model="m", prompt="Hi"))
