"""The command `ask`: one question, one answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from cf_llama.cli import terminal
from cf_llama.cli.client import Client
from cf_llama.cli.errors import as_messages
from cf_llama.cli.options import WORDS, make_settings, sampling_options, settings_options
from cf_llama.protocol import json_values
from cf_llama.protocol.errors import InvalidRequestError
from cf_llama.protocol.reply import Reply
from cf_llama.protocol.request import ChatRequest

_SHOWN = 200  # characters of an answer that is no JSON


@click.command(short_help="Ask one question.")
@click.argument("question", type=WORDS, required=False)
@click.option("--system", type=WORDS, metavar="TEXT", help="System message before the question.")
@click.option(
    "--json-schema",
    "schema_file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON schema of the answer, which is printed as JSON on one line.",
)
@click.option("--stream/--no-stream", default=None, help="Print the answer as it comes.  [default: on a terminal]")
@click.option("--json", "as_json", is_flag=True, help="Print an object with text, tool_calls, usage and cost_usd.")
@sampling_options
@settings_options
def ask(
    *,
    question: str | None,
    system: str | None,
    schema_file: Path | None,
    stream: bool | None,
    as_json: bool,
    temperature: float | None,
    max_tokens: int | None,
    seed: int | None,
    assignments: tuple[str, ...],
    usage_file: Path | None,
) -> None:
    """Ask QUESTION, or the text of the standard input if it is - or missing.

    The answer alone is on the standard output. The exit code is 1 if the call fails.
    """
    if stream and (as_json or schema_file):
        raise click.UsageError("--stream does not go with --json or --json-schema, which print the answer as a whole.")
    settings = make_settings(assignments, temperature=temperature, max_tokens=max_tokens, seed=seed)
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": _read_question(question)})
    try:
        request = ChatRequest(
            messages=messages,
            response_format=_response_format(schema_file) if schema_file else None,
            **settings.request_fields(),
        )
    except InvalidRequestError as error:
        raise click.UsageError(str(error)) from None
    with as_messages():
        client = Client(settings, "ask", usage_file)
        if as_json:
            click.echo(json_values.dumps(as_object(client.run(request))))
        elif schema_file:
            click.echo(json_of(client.run(request)))
        elif stream or (stream is None and terminal.is_terminal()):
            _warn_if_cut(terminal.write_stream(client.stream(request)))
        else:
            reply = client.run(request)
            terminal.write(f"{reply.text}\n")
            _warn_if_cut(reply)


def as_object(reply: Reply) -> dict[str, Any]:
    """A reply as JSON data: text, tool_calls, usage, and what else is known of it."""
    calls = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in reply.tool_calls]
    counts = reply.usage and reply.usage.counts() | {"cached_tokens": reply.usage.cached_tokens}
    always = {"finish_reason": None, "cost_usd": None}
    return {"text": reply.text, "tool_calls": calls, "usage": counts, **always, **reply.metadata()}


def json_of(reply: Reply) -> str:
    """The JSON of an answer on one line, its numbers as the model wrote them.

    Raises:
        ClickException: the answer is no JSON.
    """
    text = json_values.without_fence(reply.text)
    try:
        return json_values.dumps_exactly(json_values.parse_exactly(text))
    except json_values.InvalidJSON as error:
        why = "was cut at --max-tokens" if reply.finish_reason == "length" else f"is no JSON ({error})"
        raise click.ClickException(f"the answer {why}: {terminal.printable(text[:_SHOWN])}") from None


def _read_question(question: str | None) -> str:
    if question in (None, "-"):
        if question is None and sys.stdin.isatty():
            raise click.UsageError("QUESTION is missing: pass it, or pipe a text into the standard input.")
        question = sys.stdin.buffer.read().decode("utf-8-sig", "replace").rstrip("\r\n")
    if not question or not question.strip():
        raise click.UsageError("QUESTION is empty.")
    return question


def _response_format(file: Path) -> Mapping[str, Any]:
    try:
        schema = json.loads(file.read_bytes())
    except (ValueError, OSError) as error:
        raise click.BadParameter(f"{file} is no JSON: {error}", param_hint="--json-schema") from None
    if not isinstance(schema, dict):
        raise click.BadParameter(f"{file} must hold an object.", param_hint="--json-schema")
    return {"type": "json_schema", "json_schema": schema}


def _warn_if_cut(reply: Reply) -> None:
    if reply.finish_reason == "length":
        click.echo("Warning: the answer is cut at --max-tokens.", err=True)
