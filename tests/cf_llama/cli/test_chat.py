"""The command `chat`: with a script on the standard input, and in a terminal."""

import contextlib
import json
import os
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest

from cf_llama.cli.client import Client
from cf_llama.cli.tool_file import load
from cf_llama_emulator.testing import ScriptedEmulator, ServiceError

TOOLS = '''
def status(order: int) -> str:
    """Look up where an order is."""
    if order == 13:
        raise LookupError("no order 13")
    return f"order {order} left Rotterdam"


def stop(order: int) -> str:
    """Stop an order."""
    raise KeyboardInterrupt
'''
USED = re.compile(r"^\d+ \+ \d+ tokens, \$0\.\d{6}; \$0\.\d{6} in all$", re.MULTILINE)


@pytest.fixture
def emulator(monkeypatch):
    with ScriptedEmulator() as running:
        monkeypatch.setenv("CLOUDFLARE_BASE_URL", running.base_url)
        monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", running.account_id)
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", running.api_token)
        yield running


@pytest.fixture
def chat(run, tmp_path):
    """Return a function that chats: messages in, one a line."""
    (tmp_path / "tools.py").write_text(TOOLS)

    def talk(*messages, tools=False, arguments=()):
        options = ["--tools", tmp_path / "tools.py"] if tools else []
        return run("chat", *options, *arguments, stdin="".join(f"{message}\n" for message in messages))

    return talk


def sent(emulator, number):
    return emulator.requests[number].body["messages"]


def test_answers_are_kept_in_the_conversation(chat, emulator):
    emulator.say("Paris.", "Two million.")
    done = chat("Capital of France?", "How many\\", "live there?", arguments=["--system", "Be brief", "--seed", 5])
    assert (done.exit_code, done.stdout) == (0, "Paris.\nTwo million.\n")
    assert len(USED.findall(done.stderr)) == 2
    assert sent(emulator, 1) == [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "Capital of France?"},
        {"role": "assistant", "content": "Paris."},
        {"role": "user", "content": "How many\nlive there?"},
    ]
    assert emulator.requests[1].body["seed"] == 5
    assert emulator.requests[1].body["stream"] is True


def test_commands_are_executed_and_not_sent(chat, emulator, tmp_path):
    emulator.say("Yes.", "No.")
    file = tmp_path / "talk.json"
    done = chat("One?", f"/save {file}", "/reset", "/nope", "/usage", "Two?", f"/load {file}", "", "/quit", "Three?")
    assert (done.exit_code, done.stdout) == (0, "Yes.\nNo.\n")
    assert sent(emulator, 1) == [{"role": "user", "content": "Two?"}]
    assert [turn["content"] for turn in json.loads(file.read_text("utf-8"))["messages"]] == ["One?", "Yes."]
    assert "/nope is no command" in done.stderr
    assert "1 replies, " in done.stderr
    assert f"2 messages loaded from {file}" in done.stderr
    assert len(emulator.requests) == 2


def test_a_tool_is_called_and_shown_with_its_result(chat, emulator):
    emulator.say([emulator.call("status", order=7), emulator.call("status", order=13)], "It has left.")
    done = chat("Where is order 7?", tools=True)
    assert done.stdout == "It has left.\n"
    assert "status(order=7)\n  order 7 left Rotterdam\n" in done.stderr
    assert "status(order=13)\n  Error: LookupError: no order 13\n" in done.stderr
    asked, called, *results = sent(emulator, 1)
    assert asked["content"] == "Where is order 7?"
    calls = [call["id"] for call in called["tool_calls"]]
    assert [(each["tool_call_id"], each["content"]) for each in results] == [
        (calls[0], "order 7 left Rotterdam"),
        (calls[1], "Error: LookupError: no order 13"),
    ]
    assert [tool["function"]["name"] for tool in emulator.requests[0].body["tools"]] == ["status", "stop"]


def test_tools_of_a_file_are_offered_from_then_on(chat, emulator, tmp_path):
    emulator.say("I cannot know.", emulator.call("status", order=7), "It has left.")
    done = chat("Where is order 7?", f"/tools {tmp_path / 'tools.py'}", "And now?")
    assert done.stdout == "I cannot know.\nIt has left.\n"
    assert "status              Look up where an order is.\n" in done.stderr
    offered = [[tool["function"]["name"] for tool in each.body.get("tools", ())] for each in emulator.requests]
    assert offered == [[], ["status", "stop"], ["status", "stop"]]


def test_ctrl_c_while_a_file_of_tools_is_imported_does_not_end_the_chat(chat, emulator, tmp_path):
    emulator.say("Hello!")
    (tmp_path / "slow.py").write_text("raise KeyboardInterrupt")
    done = chat(f"/tools {tmp_path / 'slow.py'}", "/tools", "Hi")
    assert (done.exit_code, done.stdout) == (0, "Hello!\n")
    assert done.stderr.startswith("stopped\nno tools are offered")


def test_the_tools_in_the_documentation_are_tools(tmp_path):
    page = Path(__file__).parents[3] / "docs" / "cli.md"
    [code] = [block for block in re.findall(r"```\n(.*?)```", page.read_text("utf-8"), re.DOTALL) if "def " in block]
    (tmp_path / "documented.py").write_text(code, "utf-8")
    assert load(tmp_path / "documented.py")["order_status"].run({"order": 1042}).content == "left Rotterdam"


def test_a_model_that_calls_without_end_is_stopped(chat, emulator):
    emulator.say(*[emulator.call("status", order=n) for n in range(20)])
    done = chat("Where?", tools=True)
    assert (done.exit_code, len(emulator.requests)) == (0, 20)
    assert "stopped after 20 rounds of tool calls" in done.stderr


def test_ctrl_c_in_a_tool_leaves_every_call_with_a_result(chat, emulator):
    emulator.say([emulator.call("stop", order=7), emulator.call("status", order=8)], "All right.")
    done = chat("Stop them", "Well?", tools=True)
    assert (done.exit_code, done.stdout) == (0, "All right.\n")
    assert [turn["role"] for turn in sent(emulator, 1)] == ["user", "assistant", "tool", "tool", "user"]
    assert [turn["content"] for turn in sent(emulator, 1)[2:4]] == ["Error: stopped by the user"] * 2


def test_a_failure_ends_the_answer_and_not_the_chat(chat, emulator):
    emulator.say(ServiceError(500, 3043, "Internal server error"), "Hello!")
    done = chat("Hi", "Hi again", arguments=["--set", "max_retries=0"])
    assert (done.exit_code, done.stdout) == (0, "Hello!\n")
    assert "code 3043" in done.stderr
    assert sent(emulator, 1) == [{"role": "user", "content": "Hi again"}]


def test_a_stream_that_broke_off_is_kept_and_counted(run, scripted):
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    scripted.streams({"response": "One two", "usage": usage}, done=False, ending="cut")
    scripted.replies("three")
    done = run("chat", stdin="Count\nGo on\n")
    assert (done.exit_code, done.stdout) == (0, "One two\nthree\n")
    assert "the stream broke off" in done.stderr
    assert "9 + 2 tokens" in done.stderr
    assert [turn["content"] for turn in scripted.seen[1].body["messages"]] == ["Count", "One two", "Go on"]


def test_a_conversation_that_is_too_long_says_what_to_do(chat, emulator):
    emulator.always("context-overflow")
    assert "/reset begins a new conversation" in chat("Hi").stderr


def test_ctrl_c_keeps_what_has_come(chat, emulator, monkeypatch):
    streams = Client.stream

    def interrupted(self, request):
        for number, delta in enumerate(streams(self, request)):
            if number == 2 and len(request.messages) == 1:
                raise KeyboardInterrupt
            yield delta

    monkeypatch.setattr(Client, "stream", interrupted)
    emulator.say("one two three four", "five")
    done = chat("Count", "Go on")
    assert done.exit_code == 0
    first, last = done.stdout.splitlines()
    assert "one two three four".startswith(first)
    assert last == "five"
    assert "stopped" in done.stderr
    assert sent(emulator, 1)[1] == {"role": "assistant", "content": first}


def test_without_an_account_nothing_is_asked(run):
    done = run("chat", stdin="Hi\n")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "`cf-llama serve`" in done.stderr


IN_TERMINAL = """
import fcntl, signal, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C reaches it
signal.signal(signal.SIGINT, signal.default_int_handler)  # a script's background jobs are started deaf to it
from cf_llama.cli import main
main()
"""


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, *arguments):
        pty = pytest.importorskip("pty")
        self._screen, side = pty.openpty()
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-c", IN_TERMINAL, *arguments],
            stdin=side,
            stdout=side,
            stderr=side,
            start_new_session=True,
            env=os.environ | {"TERM": "xterm"},
        )
        os.close(side)
        self._seen = ""

    def expect(self, words, keys=""):
        """Read until the words have come, and return what came before them.

        Keys are pressed until then: of a signal that arrives as a program begins to wait for input, it learns only
        by the next.
        """
        for _ in range(30):
            self.press(keys)
            while words not in self._seen and select.select([self._screen], [], [], 2)[0]:
                self._seen += os.read(self._screen, 4096).decode("utf-8", "replace")
            if words in self._seen:
                before, _, self._seen = self._seen.partition(words)
                return before
        raise AssertionError(f"{words!r} is not in {self._seen!r}")

    def press(self, keys):
        os.write(self._screen, keys.encode())

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self._screen)


@pytest.fixture
def terminal(emulator):
    with contextlib.closing(Terminal("chat")) as terminal:
        terminal.expect("/help lists the commands")
        terminal.expect("> ")
        yield terminal


def test_keys_in_a_terminal(terminal, emulator):
    emulator.always("hang=event@3")
    terminal.press("first\r")
    terminal.expect("You")
    terminal.expect("stopped", keys="\x03")
    terminal.expect("> ")
    emulator.always("none")
    terminal.press("taken back")
    terminal.expect("taken back")
    terminal.expect("> ", keys="\x03")
    terminal.press("second\r")
    terminal.expect("You said: second")
    terminal.expect("in all")
    terminal.expect("> ")
    terminal.press("\x04")
    assert terminal.process.wait(60) == 0
    assert [turn["content"] for turn in sent(emulator, -1) if turn["role"] == "user"] == ["first", "second"]


@pytest.mark.parametrize(
    "block", ["\x1b[200~one\rtwo\rthree\x1b[201~\r", "one\rtwo\rthree\r"], ids=["bracketed", "plain"]
)
def test_a_pasted_block_is_one_message(terminal, emulator, block):
    terminal.press(block)
    terminal.expect("in all")
    assert [each["content"] for each in sent(emulator, 0)] == ["one\ntwo\nthree"]
