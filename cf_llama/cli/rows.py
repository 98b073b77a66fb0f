"""The rows of a file of requests, JSONL or CSV, and the requests they make."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from cf_llama.batch.payloads import Item
from cf_llama.config.settings import Settings
from cf_llama.protocol.errors import WorkersAIError
from cf_llama.protocol.request import ChatRequest

_LONGEST_FIELD = 10_000_000  # characters; no batch takes more


def read(source: Path, prompt: str | None, system: str | None, settings: Settings) -> Iterator[Item]:
    """A request for each row, with its `reference`, or else the number of the row.

    Args:
        source: JSONL, or CSV by its name; UTF-8.
        prompt: The template of a prompt; None takes the row's `messages` or `prompt`.
        system: The system message before each.
        settings: How they are to be answered.

    Raises:
        ClickException: a row cannot be read or asked; the message names it.
    """
    for number, row in enumerate(_rows(source), start=1):
        try:
            yield Item(str(row.get("reference") or number), _request(row, prompt, system, settings))
        except (WorkersAIError, AttributeError, LookupError, ValueError, TypeError) as error:
            raise click.ClickException(f"{source.name}, row {number}: {_reason(error)}") from None


def _rows(source: Path) -> Iterator[Mapping[str, Any]]:
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            yield from (_read_csv if source.suffix.lower() == ".csv" else _read_jsonl)(file, source.name)
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{source.name} is not in UTF-8: {error.reason}") from None


def _read_csv(file: Iterator[str], name: str) -> Iterator[Mapping[str, Any]]:
    csv.field_size_limit(_LONGEST_FIELD)
    rows = csv.DictReader(file, strict=True)
    try:
        for row in rows:
            if None in row or None in row.values():
                raise click.ClickException(f"{name}, line {rows.line_num} must have as many fields as the first line")
            yield row
    except csv.Error as error:
        raise click.ClickException(f"{name}, line {rows.line_num} is no CSV: {error}") from None


def _read_jsonl(file: Iterator[str], name: str) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise click.ClickException(f"{name}, line {number} is no JSON: {error.msg}, column {error.colno}") from None
        if not isinstance(row, dict):
            raise click.ClickException(f"{name}, line {number} must be an object")
        yield row


def _request(row: Mapping[str, Any], prompt: str | None, system: str | None, settings: Settings) -> ChatRequest:
    if prompt is None and "messages" in row:
        turns = row["messages"]
        if not isinstance(turns, list):
            raise ValueError("messages must be a list of objects")
    elif prompt is None and "prompt" not in row:
        raise ValueError(f"needs `prompt` or `messages`, or --prompt 'Translate {{{next(iter(row), 'text')}}}'")
    else:
        turns = [{"role": "user", "content": row["prompt"] if prompt is None else prompt.format_map(_RowFields(row))}]
    turns = [{"role": "system", "content": system}, *turns] if system else turns
    return ChatRequest(messages=turns, **settings.request_fields())


class _RowFields(dict[str, Any]):
    """Fields for a template, of which none that it names is null."""

    def __getitem__(self, name: str) -> Any:
        if (value := super().__getitem__(name)) is None:
            raise ValueError(f"the field {name!r} is null")
        return value


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"there is no field {error}; braces that are meant as such are written twice"
    return str(error)
