"""The / commands of a chat."""

import pytest

from cf_llama import Settings, Usage
from cf_llama.cli.agent import Agent
from cf_llama.cli.chat_commands import Quit, execute, is_command
from cf_llama.cli.conversation import Conversation
from cf_llama.cli.tool_file import Tools

TOOLS = '''
def status(order: int) -> str:
    """Look up where an order is.

    Orders are numbers.
    """
    return "left Rotterdam"
'''


@pytest.fixture
def talk():
    """A chat whose commands send nothing."""
    conversation = Conversation("Be brief", [{"role": "user", "content": "Hi"}], Usage(100, 20, 120), 1)
    return Agent(None, Settings(), Tools(), conversation)


@pytest.mark.parametrize(
    ("text", "is_one"), [("/help", True), ("/save a b", True), ("/x", True), ("/etc/hosts", False), (" /help", False)]
)
def test_a_path_is_no_command(text, is_one):
    assert is_command(text) is is_one


def test_help_lists_every_command(talk):
    said = execute("/help", talk)
    for name in ("help", "system TEXT", "reset", "save FILE.json", "load FILE.json", "tools FILE.py", "usage", "quit"):
        assert f"/{name} " in said
    assert all(len(line) <= 80 for line in said.splitlines())


def test_system_shows_and_sets(talk):
    assert execute("/system", talk) == "system message: Be brief"
    assert execute("/system Answer in\nDutch", talk) == "system message: Answer in\nDutch"
    assert talk.conversation.messages[0]["content"] == "Answer in\nDutch"


def test_reset_keeps_the_system_message_and_what_was_spent(talk):
    assert execute("/reset", talk) == "a new conversation, with the same system message"
    conversation = talk.conversation
    assert (conversation.system, conversation.turns, conversation.usage.total_tokens) == ("Be brief", [], 120)


def test_usage_says_tokens_cost_and_what_is_left(talk):
    said = execute("/usage", talk)
    assert "100 + 20 tokens, $0.000074" in said
    assert "of 24,000 tokens are left" in said


def test_a_conversation_is_saved_over_one_and_loaded(talk, tmp_path):
    file = tmp_path / "my talk.json"
    for _ in range(2):
        assert execute(f"/save {file}", talk) == f"2 messages saved in {file}"
    saved, talk.conversation = talk.conversation, Conversation()
    assert execute(f"/load {file}", talk) == f"2 messages loaded from {file}"
    assert talk.conversation.messages == saved.messages


def test_another_file_is_not_overwritten(talk, tmp_path):
    (tmp_path / "package.json").write_text('{"name": "mine"}')
    with pytest.raises(ValueError, match="exists and is no conversation"):
        execute(f"/save {tmp_path / 'package.json'}", talk)
    assert (tmp_path / "package.json").read_text() == '{"name": "mine"}'


def test_tools_lists_them_and_offers_those_of_a_file(talk, tmp_path):
    assert execute("/tools", talk) == "no tools are offered; /tools FILE.py offers those of a file"
    (tmp_path / "my tools.py").write_text(TOOLS)
    listed = "status              Look up where an order is."
    assert execute(f"/tools {tmp_path / 'my tools.py'}", talk) == listed
    assert execute("/tools", talk) == listed


def test_a_file_without_tools_leaves_those_that_are_offered(talk, tmp_path):
    (tmp_path / "tools.py").write_text(TOOLS)
    (tmp_path / "none.py").write_text("1 / 0")
    execute(f"/tools {tmp_path / 'tools.py'}", talk)
    with pytest.raises(ValueError, match=r"none\.py, line 1: ZeroDivisionError"):
        execute(f"/tools {tmp_path / 'none.py'}", talk)
    assert list(talk.tools) == ["status"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/sav x", "/sav is no command; see /help"),
        ("/save", "/save needs the name of a file"),
        ("/usage\nand a message", "/usage must stand alone"),
        ("/load", "/load needs the name of a file"),
        ("/load /none.json", "/none.json: No such file"),
        ("/tools /none.py", "^/none.py: No such file"),
        ("/save /none/x.json", "/none/x.json: No such file"),
    ],
)
def test_what_cannot_be_done_says_why(talk, text, words):
    with pytest.raises(ValueError, match=words):
        execute(text, talk)


def test_quit_ends(talk):
    with pytest.raises(Quit):
        execute("/quit", talk)
