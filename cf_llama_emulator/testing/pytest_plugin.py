"""The fixture `cf_llama_emulator`, for tests of one's own chains, agents and query engines.

pytest loads this module at its start wherever the package is installed, so it imports the emulator only when a test
asks for it.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cf_llama_emulator.testing.scripted import ScriptedEmulator

pytest_plugins = ["cf_llama_emulator.testing.cassette_plugin"]

VARIABLES = (
    "CLOUDFLARE_BASE_URL",
    "CLOUDFLARE_ACCOUNT_ID",
    "CF_ACCOUNT_ID",
    "CLOUDFLARE_API_TOKEN",
    "CLOUDFLARE_AUTH_TOKEN",
    "CF_AI_API_TOKEN",
    "CF_API_TOKEN",
    "CLOUDFLARE_API_KEY",
    "CLOUDFLARE_EMAIL",
)
"""What may lead a client to an account; none of it is the developer's own while a test runs."""


_ASKED: pytest.StashKey[ScriptedEmulator] = pytest.StashKey()


class UnusedAnswersWarning(UserWarning):
    """A test has ended before its script."""


@pytest.fixture(scope="session")
def _cf_llama_emulator() -> Iterator[ScriptedEmulator]:
    """One server for the whole session: a start and a stop take longer than most tests."""
    try:
        from cf_llama_emulator.testing.scripted import ScriptedEmulator  # noqa: PLC0415 - see the module
    except ModuleNotFoundError as missing:
        pytest.fail(f"{missing.name} is missing; install it with `pip install 'cf-llama[emulator]'`.", pytrace=False)
    with ScriptedEmulator() as emulator:
        yield emulator


@pytest.fixture
def cf_llama_emulator(
    _cf_llama_emulator: ScriptedEmulator, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[ScriptedEmulator]:
    """An emulator of Workers AI on a free port, and the environment variables that lead a client to it.

    `say(...)` scripts the answers, `faults(...)` lets the next requests go wrong, `requests` is what came in. Without
    a script it answers by fixed rules. A test that leaves scripted answers behind is warned of, and one that fails
    shows the requests. A test whose script fails, by an `assert` in a scripted function, fails with it.
    """
    emulator = request.node.stash[_ASKED] = _cf_llama_emulator.cleared()
    if client := sys.modules.get("cf_llama"):
        client.forget_limits()  # what one test has taught it, such as a quota that is used up, is not the next one's
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", emulator.base_url)
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", emulator.account_id)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", emulator.api_token)
    yield emulator
    try:
        emulator.raise_failure()  # of what was asked before the test, or after it
        left = emulator.remaining
    finally:
        emulator.cleared()
    if left:
        warnings.warn(
            UnusedAnswersWarning(f"{left} of the answers said to cf_llama_emulator were not asked for"), stacklevel=1
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Let a test fail whose script has, even if the program that it tests has swallowed the error."""
    try:
        return (yield)
    finally:
        if emulator := item.stash.get(_ASKED, None):
            emulator.raise_failure()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show beside a failure, of a test or of a fixture before it, what the emulator was asked."""
    report = yield
    emulator = item.stash.get(_ASKED, None)
    if report.failed and report.when != "teardown" and emulator is not None:
        report.sections.append(("requests to cf_llama_emulator", "\n".join(map(str, emulator.requests)) or "none"))
    return report
