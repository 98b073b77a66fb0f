"""The command `chat`: a conversation in the terminal, with tools."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cf_llama.cli import terminal, tool_file
from cf_llama.cli.agent import Agent
from cf_llama.cli.chat_commands import Quit, execute, is_command
from cf_llama.cli.client import Client
from cf_llama.cli.conversation import Conversation
from cf_llama.cli.errors import as_messages
from cf_llama.cli.line_input import read_message, terminal_lines
from cf_llama.cli.options import WORDS, make_settings, sampling_options, settings_options
from cf_llama.cli.tool_file import Tools


@click.command(short_help="Chat in the terminal.")
@click.option("--system", type=WORDS, metavar="TEXT", default="", help="System message of the conversation.")
@click.option(
    "--tools",
    "tools_file",
    metavar="FILE.py",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Offer the public functions of this file that have type hints and a docstring.",
)
@sampling_options
@settings_options
def chat(
    *,
    system: str,
    tools_file: Path | None,
    temperature: float | None,
    max_tokens: int | None,
    seed: int | None,
    assignments: tuple[str, ...],
    usage_file: Path | None,
) -> None:
    """Chat with the model; answers stream, and the conversation is kept.

    A line that ends with a backslash goes on in the next, and a pasted block is one message. /help lists the commands.
    Ctrl-C stops an answer, Ctrl-D ends the chat. Answers are on the standard output, all else on the standard error.
    """
    settings = make_settings(assignments, temperature=temperature, max_tokens=max_tokens, seed=seed)
    with as_messages():
        client = Client(settings, "chat", usage_file)
    tools = tool_file.load(tools_file) if tools_file else Tools()
    if sys.stdin.isatty():
        terminal.say(f"{settings.model.rpartition('/')[2]}; /help lists the commands")
        if tools:
            terminal.say(f"tools: {', '.join(tools)}")
    run(Agent(client, settings, tools, Conversation(system)))


def run(agent: Agent) -> None:
    """Read messages and answer them until the input ends or the user quits."""
    read_line, more = terminal_lines()
    while True:
        try:
            message = read_message(read_line, more)
        except KeyboardInterrupt:  # the line is taken back
            click.echo(err=True)
            continue
        except EOFError:
            terminal.say("")
            return
        try:
            handle(message, agent)
        except Quit:
            return


def handle(message: str, agent: Agent) -> None:
    """Execute a command, or answer a message.

    Raises:
        Quit: the command is /quit.
    """
    if not is_command(message):
        if message.strip():
            agent.answer(message)
        return
    try:
        terminal.say(execute(message, agent))
    except ValueError as error:
        terminal.warn(str(error))
    except KeyboardInterrupt:  # while a file of tools is imported
        terminal.warn("stopped")
