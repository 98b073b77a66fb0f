"""What every test may rely on: no account of the developer's is in reach, and the recorded answers are at hand."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from cf_llama.config.credentials import ACCOUNT_VARIABLES, TOKEN_VARIABLES
from cf_llama.transport.limits import gate, registry

try:
    import uvloop
except ModuleNotFoundError:  # on Windows there is none
    uvloop = None

CREDENTIALS = (
    *ACCOUNT_VARIABLES,
    *TOKEN_VARIABLES,
    "CLOUDFLARE_API_KEY",
    "CLOUDFLARE_EMAIL",
    "CLOUDFLARE_BASE_URL",
)

# In the background of a script SIGINT is ignored, also by the programs that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No property depends on how fast the machine is; in CI the same examples are tried each time.
settings.register_profile(
    "steady", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.register_profile("fuzz", settings.get_profile("steady"), max_examples=5000, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.fixture(autouse=True)
def no_credentials(request, monkeypatch):
    """Only the tests against the real service see the credentials of whoever runs them."""
    if "live" not in request.keywords:
        for name in CREDENTIALS:
            monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def no_limits(monkeypatch):
    """No test knows what another has learned of limits, and a service that refuses for ever is given up soon."""
    monkeypatch.setattr(gate, "LONGEST_WAIT", 2.0)
    registry.forget_limits()


@pytest.fixture(scope="session")
def recorded():
    """The folder of answers as bytes."""
    return Path(__file__).parent / "recorded"


@pytest.fixture(
    params=[
        "asyncio",
        pytest.param("uvloop", marks=pytest.mark.skipif(uvloop is None, reason="there is no uvloop here")),
    ]
)
def both_event_loops(request, monkeypatch):
    """Every event loop that the test makes is asyncio's own, and then uvloop's, which most web services run."""
    if request.param == "uvloop":
        monkeypatch.setattr(asyncio.events, "new_event_loop", uvloop.new_event_loop)
    return request.param
