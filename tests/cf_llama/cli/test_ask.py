"""The command `ask`."""

import json

import pytest

from cf_llama.cli import terminal

USAGE = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}


def test_the_answer_alone_is_on_the_standard_output(run, emulator):
    done = run("ask", "Hello", "--system", "Be brief", "--temperature", 0.5, "--max-tokens", 20, "--seed", 7)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "You said: Hello\n", "")
    body = emulator.requests[0].body
    assert body["messages"] == [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hello"}]
    assert (body["temperature"], body["max_tokens"], body["seed"]) == (0.5, 20, 7)
    assert "stream" not in body


@pytest.mark.parametrize("argument", [(), ("-",)])
def test_the_question_may_come_from_the_standard_input(run, emulator, argument):
    assert run("ask", *argument, stdin="Grüße\n").stdout == "You said: Grüße\n"


@pytest.mark.parametrize("how", [("--stream",), ()])
def test_an_answer_streams_when_asked_to_or_to_a_terminal(run, emulator, monkeypatch, how):
    monkeypatch.setattr(terminal, "is_terminal", lambda: not how)
    assert run("ask", "Hello you", *how).stdout == "You said: Hello you\n"
    assert emulator.requests[0].body["stream"] is True


def test_no_stream_is_whole_on_a_terminal_too(run, emulator, monkeypatch):
    monkeypatch.setattr(terminal, "is_terminal", lambda: True)
    assert run("ask", "Hello", "--no-stream").stdout == "You said: Hello\n"
    assert "stream" not in emulator.requests[0].body


def test_the_model_cannot_control_the_terminal(run, scripted, monkeypatch):
    monkeypatch.setattr(terminal, "is_terminal", lambda: True)
    scripted.replies("a\x1b]0;title\x07b\tc\nd")
    assert run("ask", "Hello").stdout == "a�]0;title�b\tc\nd\n"


def test_json_is_an_object_with_all_that_is_known(run, scripted):
    result = {"response": "Hi", "usage": USAGE | {"neurons": 0.9}, "tool_calls": []}
    scripted.says({"result": result, "success": True, "errors": [], "messages": []})
    assert json.loads(run("ask", "Hello", "--json").stdout) == {
        "text": "Hi",
        "tool_calls": [],
        "usage": USAGE | {"cached_tokens": 0},
        "finish_reason": "stop",
        "neurons": 0.9,
        "cost_usd": pytest.approx(10 * 0.293e-6 + 3 * 2.253e-6),
    }


def test_json_says_null_of_counts_that_did_not_come(run, scripted):
    scripted.replies("Hi")
    told = json.loads(run("ask", "Hello", "--json").stdout)
    assert (told["usage"], told["cost_usd"]) == (None, None)


@pytest.fixture
def schema(tmp_path):
    file = tmp_path / "schema.json"
    file.write_text('{"type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"]}', "utf-8")
    return file


def test_an_answer_in_a_schema_is_json_with_its_digits(run, scripted, schema):
    scripted.says(b'{"result": {"response": {"price": 1.10}}, "success": true, "errors": [], "messages": []}')
    assert run("ask", "How much?", "--json-schema", schema).stdout == '{"price": 1.10}\n'
    assert scripted.seen[0].body["response_format"]["json_schema"]["required"] == ["price"]


@pytest.mark.parametrize(
    ("choice", "why"),
    [({}, "is no JSON"), ({"finish_reason": "length"}, "was cut at --max-tokens")],
)
def test_an_answer_that_is_no_json_is_an_error(run, scripted, schema, choice, why):
    choice = {"message": {"content": '{"price": 1'}, "finish_reason": "stop"} | choice
    scripted.says({"choices": [choice]})
    done = run("ask", "How much?", "--json-schema", schema)
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"the answer {why}" in done.stderr
    assert '{"price": 1' in done.stderr


def test_an_answer_that_is_cut_is_said_to_be(run, scripted):
    scripted.says({"choices": [{"message": {"content": "One"}, "finish_reason": "length"}]})
    done = run("ask", "Count")
    assert (done.exit_code, done.stdout) == (0, "One\n")
    assert done.stderr == "Warning: the answer is cut at --max-tokens.\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--temperature", 6), "0<=x<=5"),
        (("--max-tokens", 0), "1<=x<=24000"),
        (("--seed", 0), "1<=x<=9999999999"),
        (("--set", "temperatur=1"), "did you mean temperature?"),
        (("--set", "top_p"), "must be NAME=VALUE"),
        (("--set", "top_p=7"), "top_p: must be from 0.001 to 1"),
        (("--json-schema", "/none.json"), "does not exist"),
        (("--stream", "--json"), "--stream does not go with --json"),
    ],
)
def test_what_is_not_allowed_is_a_usage_error(run, emulator, arguments, words):
    done = run("ask", "Hello", *arguments)
    assert done.exit_code == 2
    assert words in done.stderr
    assert emulator.requests == []


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_a_schema_that_is_none_is_a_usage_error(run, emulator, tmp_path, content):
    (tmp_path / "schema.json").write_text(content)
    done = run("ask", "Hello", "--json-schema", tmp_path / "schema.json")
    assert done.exit_code == 2
    assert "schema.json" in done.stderr


@pytest.mark.parametrize("question", [("",), ()])
def test_an_empty_question_is_a_usage_error(run, emulator, question):
    done = run("ask", *question, stdin="\n")
    assert (done.exit_code, emulator.requests) == (2, [])
    assert "QUESTION is empty" in done.stderr


def test_without_an_account_one_line_says_how_to_work(run):
    done = run("ask", "Hello")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN must be set. "
        "To work without an account, run `cf-llama serve` and copy its export lines.\n"
    )


def test_without_a_token_it_is_the_token_that_is_missing(run, monkeypatch):
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "0123456789abcdef0123456789abcdef")
    assert run("ask", "Hello").stderr.startswith("Error: CLOUDFLARE_API_TOKEN must be set. ")


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_a_failure_is_one_message_without_traceback(run, emulator, monkeypatch, how):
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "another")
    done = run("ask", "Hello", how)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert "CLOUDFLARE_API_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr
    assert "another" not in done.stderr


def test_what_came_before_a_stream_broke_off_is_kept(run, scripted):
    scripted.streams({"response": "One two"}, done=False, ending="cut")
    done = run("ask", "Count", "--stream")
    assert (done.exit_code, done.stdout) == (1, "One two\n")
    assert done.stderr.startswith("Error: the stream broke off")
