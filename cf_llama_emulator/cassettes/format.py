"""The file format of a cassette: JSON Lines, a header and then an exchange a line. `docs/cassettes.md` describes it."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VERSION = 1

_HEADER = {"cassette": "cf-llama", "version": VERSION}
_SURROGATE = re.compile("[\ud800-\udfff]")


class CassetteError(ValueError):
    """A cassette that is missing or cannot be read, or an option of it that is not allowed."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of an answer that arrived together."""

    wait: float
    """Seconds since the piece before it; for the first, since the request was sent."""
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer."""

    method: str
    route: str
    """The path without base URL and account id, with a sorted query: `accounts/<account>/ai/run/...`."""
    body: Any = None
    """The request's body: normalised JSON, a text where it is none, None where there is none."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of the answer that matter, by lower-case name."""
    pieces: Sequence[Piece] = ()
    complete: bool = True
    """False if the connection ended before the answer did, from either side."""

    @property
    def content(self) -> bytes:
        """The whole body of the answer."""
        return b"".join(piece.content for piece in self.pieces)


def dump(exchange: Exchange) -> str:
    """Return an exchange as a line, without its line end."""
    pieces = [[round(piece.wait, 6), _pack(piece.content)] for piece in exchange.pieces]
    values = {"method": exchange.method, "route": exchange.route, "body": exchange.body}
    values |= {"status": exchange.status, "headers": dict(exchange.headers), "pieces": pieces}
    return to_json(values if exchange.complete else values | {"complete": False})


def load(line: str) -> Exchange:
    """Return the exchange of a line.

    Raises:
        CassetteError: it is none.
    """
    try:
        values = json.loads(line)
        pieces = [Piece(float(wait), _unpack(content)) for wait, content in values["pieces"]]
        exchange = Exchange(
            method=values["method"],
            route=values["route"],
            body=values.get("body"),
            status=values["status"],
            headers=values.get("headers", {}),
            pieces=pieces,
            complete=values.get("complete", True),
        )
    except KeyError as error:
        raise CassetteError(f"{error} is missing") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise CassetteError(str(error)) from None
    _check_types(exchange)
    return exchange


def read(path: str | Path) -> list[Exchange]:
    """Return the exchanges of a cassette. A last line without its end, as a crash leaves it, is left out.

    Raises:
        CassetteError: the file cannot be read; the message names it and the line.
    """
    try:
        content = Path(path).read_bytes()
        *lines, _ = content.decode("utf-8").split("\n") if content else [""]
    except OSError as error:
        raise CassetteError(f"cassette {path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise CassetteError(f"cassette {path} is not in UTF-8") from None
    if lines:
        _check_header(path, lines[0])
    exchanges = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            exchanges += [load(line)] if line.strip() else []
        except CassetteError as error:
            raise CassetteError(f"cassette {path}, line {number}: {error}") from None
    return exchanges


def append(path: str | Path, line: str, *, afresh: bool = False) -> None:
    """Add an exchange's line to a cassette, which is created where there is none. The file is whole at every moment.

    Args:
        path: The file; its folder is created too.
        line: What `dump` returned.
        afresh: Whether the line replaces what the file has held so far.

    Raises:
        OSError: the file cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = 0 if afresh else _whole_length(path)
    if not whole:
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        fresh.write_bytes(f"{to_json(_HEADER)}\n{line}\n".encode())
        fresh.replace(path)
        return
    with path.open("rb+") as file:
        file.truncate(whole)
        file.seek(whole)
        file.write(f"{line}\n".encode())


def _whole_length(path: Path) -> int:
    """Return how many bytes of a file are whole lines."""
    if not path.exists() or not (size := path.stat().st_size):
        return 0
    with path.open("rb") as file:
        file.seek(size - 1)
        return size if file.read() == b"\n" else path.read_bytes().rfind(b"\n") + 1


def _check_header(path: str | Path, line: str) -> None:
    try:
        header = json.loads(line)
        is_cassette = header["cassette"] == _HEADER["cassette"]
    except (ValueError, TypeError, KeyError):
        is_cassette = False
    if not is_cassette:
        raise CassetteError(f"{path} is no cassette: its first line must be {to_json(_HEADER)}")
    if header.get("version") != VERSION:
        raise CassetteError(f"cassette {path} has version {header.get('version')}; this program reads {VERSION}")


def _check_types(exchange: Exchange) -> None:
    texts = {"method": exchange.method, "route": exchange.route}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise CassetteError(f"{name} must be a text")
    if isinstance(exchange.status, bool) or not isinstance(exchange.status, int):
        raise CassetteError("status must be a whole number")
    if not isinstance(exchange.headers, dict) or not all(isinstance(value, str) for value in exchange.headers.values()):
        raise CassetteError("headers must be an object of texts")


def _pack(content: bytes) -> Any:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode("ascii")}


def _unpack(packed: Any) -> bytes:
    if isinstance(packed, str):
        return packed.encode("utf-8")
    return base64.b64decode(packed["base64"], validate=True)


def to_json(value: Any) -> str:
    """Return JSON that UTF-8 can hold: lone surrogates, which a request's body may have, stay escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
