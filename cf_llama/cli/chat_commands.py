"""The / commands of a chat."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import click

from cf_llama.cli import tool_file
from cf_llama.cli.agent import Agent
from cf_llama.cli.conversation import Conversation
from cf_llama.cli.tool_file import Tools
from cf_llama.protocol import tokens
from cf_llama.protocol.model import CONTEXT_WINDOW

_COMMAND = re.compile(r"/(\w+)(?:\s+(.*))?\s*", re.DOTALL)
_KEYS = ("A line that ends with a backslash goes on in the next one.", "Ctrl-C stops an answer, Ctrl-D ends the chat.")


class Quit(Exception):  # noqa: N818 - it is a request, not a failure
    """The user wants to end the chat."""


def is_command(text: str) -> bool:
    """Whether a message is a command; one that begins with a path or a space is none."""
    return _COMMAND.fullmatch(text) is not None


def execute(text: str, agent: Agent) -> str:
    """Execute a command and return what it says.

    Raises:
        Quit: it is /quit.
        ValueError: the command is not known, or cannot be executed; the message says why.
    """
    match = _COMMAND.fullmatch(text)
    name, argument = match.groups(default="") if match else ("", "")
    if name not in _COMMANDS:
        raise ValueError(f"/{name} is no command; see /help. A space before the slash sends it as a message.")
    action, metavar, _ = _COMMANDS[name]
    if argument.strip() and not metavar:
        raise ValueError(f"/{name} must stand alone; send what follows it as a separate message")
    try:
        return action(agent, argument.strip())
    except OSError as error:
        raise ValueError(f"{argument.strip()}: {error.strerror or error}") from None


def usage_text(conversation: Conversation) -> str:
    """What the conversation has cost, and what is left of the context window."""
    usage = conversation.usage
    used = tokens.count_messages(conversation.messages) if conversation.messages else 0
    return (
        f"{conversation.replies:,} replies, {usage.prompt_tokens:,} + {usage.completion_tokens:,} tokens, "
        f"${usage.cost:.6f}\nabout {CONTEXT_WINDOW - used:,} of {CONTEXT_WINDOW:,} tokens are left for what follows"
    )


def _help(agent: Agent, argument: str) -> str:
    del agent, argument
    lines = [f"{f'/{name} {metavar}':20}{text}" for name, (_, metavar, text) in _COMMANDS.items()]
    return "\n".join([*lines, *_KEYS])


def _system(agent: Agent, argument: str) -> str:
    if argument:
        agent.conversation.system = argument
    return f"system message: {agent.conversation.system or 'none'}"


def _reset(agent: Agent, argument: str) -> str:
    del argument
    agent.conversation.reset()
    return "a new conversation" + (", with the same system message" if agent.conversation.system else "")


def _save(agent: Agent, argument: str) -> str:
    path = _path(argument, "/save")
    if path.exists():
        _check_is_conversation(path)
    path.write_text(agent.conversation.dumps(), "utf-8")
    return f"{len(agent.conversation.messages):,} messages saved in {path}"


def _load(agent: Agent, argument: str) -> str:
    path = _path(argument, "/load")
    try:
        agent.conversation.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return f"{len(agent.conversation.messages):,} messages loaded from {path}"


def _tools(agent: Agent, argument: str) -> str:
    if argument:
        agent.tools = _load_tools(Path(argument).expanduser())
    if not agent.tools:
        return "no tools are offered; /tools FILE.py offers those of a file"
    return "\n".join(f"{tool.name:19} {tool.summary}" for tool in agent.tools.values())


def _load_tools(path: Path) -> Tools:
    path.stat()  # a file that is not there is no failed import
    try:
        return tool_file.load(path)
    except click.ClickException as error:
        raise ValueError(error.message) from None


def _usage(agent: Agent, argument: str) -> str:
    del argument
    return usage_text(agent.conversation)


def _quit(agent: Agent, argument: str) -> str:
    del agent, argument
    raise Quit


def _path(argument: str, command: str) -> Path:
    if not argument:
        raise ValueError(f"{command} needs the name of a file")
    return Path(argument).expanduser()


def _check_is_conversation(path: Path) -> None:
    """Refuse to overwrite another file."""
    try:
        Conversation().loads(path.read_text("utf-8"))
    except ValueError:
        raise ValueError(f"{path} exists and is no conversation; choose another name") from None


_COMMANDS: dict[str, tuple[Callable[[Agent, str], str], str, str]] = {
    "help": (_help, "", "List the commands."),
    "system": (_system, "TEXT", "Set the system message; without TEXT, show it."),
    "reset": (_reset, "", "Begin a new conversation; the system message stays."),
    "save": (_save, "FILE.json", "Save the conversation."),
    "load": (_load, "FILE.json", "Continue a conversation that was saved."),
    "tools": (_tools, "FILE.py", "Offer this file's tools; without FILE.py, list the tools."),
    "usage": (_usage, "", "Show tokens, cost and what is left of the context window."),
    "quit": (_quit, "", "End the chat."),
}
