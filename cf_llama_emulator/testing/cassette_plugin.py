"""The marker `cassette`, the fixture `cf_llama_cassette` and the option `--record-mode`.

pytest loads this module at its start, so it imports the emulator only when a test asks for it.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cf_llama_emulator.testing.pytest_plugin import VARIABLES

if TYPE_CHECKING:
    from cf_llama_emulator.server.threaded import RunningServer

MODES = ("none", "once", "new_episodes", "all")
_LONGEST_NAME = 150
"""Characters of a test's name in that of its file."""


@dataclass(frozen=True)
class Cassette:
    """A server that replays or records one cassette, and what leads a client to it."""

    path: Path
    records: bool
    """Whether requests may go to the service."""
    base_url: str
    account_id: str
    api_token: str = field(repr=False)


@dataclass(frozen=True)
class _Options:
    """What a marker says."""

    name: str | None = None
    scrub: Sequence[str] = ()
    speed: float | None = None


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add `--record-mode`, unless pytest-recording does: its option means the same."""
    if importlib.util.find_spec("pytest_recording") and not pluginmanager.is_blocked("recording"):
        return
    description = 'How tests with a cassette treat the service: none, once, new_episodes or all. Default to "none".'
    parser.getgroup("cassettes").addoption("--record-mode", choices=MODES, default=None, help=description)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    description = (
        "cassette(name=None, *, scrub=(), speed=None): replay or record the answers of Workers AI; see --record-mode."
    )
    config.addinivalue_line("markers", description)


@pytest.fixture(autouse=True)
def _cf_llama_cassette_of_marker(request: pytest.FixtureRequest) -> None:
    """Give each test that has the marker its cassette."""
    if request.node.get_closest_marker("cassette"):
        request.getfixturevalue("cf_llama_cassette")


@pytest.fixture
def cf_llama_cassette(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cassette]:
    """Replay or record the answers of Workers AI, as `--record-mode` says; the environment leads clients to it.

    The file is `cassettes/<test module>/<test name>.jsonl` beside the test, or as the marker `cassette` names it.
    """
    options = _options_of(request.node)
    path = _path_of(request.node.path, options.name or _name_of(request))
    mode = request.config.getoption("--record-mode", None) or "none"
    mode = "all" if mode == "rewrite" else mode  # pytest-recording's name for it
    records = mode in {"new_episodes", "all"} or (mode == "once" and not path.exists())
    try:
        server, account, token = _record(path, mode, options) if records else _replay(path, options)
    except ModuleNotFoundError as missing:
        pytest.fail(f"{missing.name} is missing; install it with `pip install 'cf-llama[emulator]'`.", pytrace=False)
    except ValueError as error:
        pytest.fail(str(error), pytrace=False)
    with server:
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("CLOUDFLARE_BASE_URL", server.base_url)
        monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", account)
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", token)
        yield Cassette(path, records, server.base_url, account, token)


def _replay(path: Path, options: _Options) -> tuple[RunningServer, str, str]:
    """Start an emulator on a cassette.

    Raises:
        ValueError: the cassette cannot be replayed.
    """
    from cf_llama_emulator.server.threaded import serve  # noqa: PLC0415 - see the module

    if not path.exists():
        raise ValueError(f"there is no cassette {path}: record it with --record-mode=once and an account")
    server = serve(cassette=path, cassette_speed=options.speed, cassette_again=False)
    return server, server.account_id, server.api_token


def _record(path: Path, mode: str, options: _Options) -> tuple[RunningServer, str, str]:
    """Start a proxy in front of the service.

    Raises:
        ValueError: there is no account in the environment, or the cassette cannot be recorded.
    """
    from cf_llama_emulator.cassettes.recorder import Recorder  # noqa: PLC0415 - see the module
    from cf_llama_emulator.server.recording import RecordingProxy  # noqa: PLC0415 - see the module
    from cf_llama_emulator.settings import UPSTREAM  # noqa: PLC0415 - as above
    from cf_llama_emulator.testing.fallback import ACCOUNT_VARIABLES, TOKEN_VARIABLES  # noqa: PLC0415 - see the module

    account, token = _first(ACCOUNT_VARIABLES), _first(TOKEN_VARIABLES)
    if not account or not token:
        raise ValueError(f"--record-mode={mode} needs CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN to record {path}")
    recorder = Recorder(path, mode, scrub=options.scrub, speed=options.speed)
    upstream = os.environ.get("CLOUDFLARE_BASE_URL", "").strip() or UPSTREAM
    return RecordingProxy(recorder, upstream=upstream), account, token


def _first(names: Sequence[str]) -> str:
    return next((value for name in names if (value := os.environ.get(name, "").strip())), "")


def _options_of(item: Any) -> _Options:
    marker = item.get_closest_marker("cassette")
    try:
        return _Options(*marker.args, **marker.kwargs) if marker else _Options()
    except TypeError as error:
        pytest.fail(f"@pytest.mark.cassette takes a name, scrub and speed: {error}", pytrace=False)


def _name_of(request: pytest.FixtureRequest) -> str:
    return f"{request.cls.__name__}.{request.node.name}" if request.cls else str(request.node.name)


def _path_of(module: Path, name: str) -> Path:
    """Return the file of a cassette; an invalid file name is changed, with letters to tell it apart."""
    plain = re.sub(r"[^\w.\-\[\]]+", "-", name)
    if plain != name or len(plain) > _LONGEST_NAME:
        plain = f"{plain[:_LONGEST_NAME]}-{sha256(name.encode()).hexdigest()[:8]}"
    return module.parent / "cassettes" / module.stem / f"{plain}.jsonl"
