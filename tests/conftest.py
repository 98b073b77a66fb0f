"""What every test may rely on: no account of the developer's is in reach, and the recorded answers are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from cf_llama.settings import ACCOUNT_VARIABLES, TOKEN_VARIABLES

CREDENTIALS = (
    *ACCOUNT_VARIABLES,
    *TOKEN_VARIABLES,
    "CLOUDFLARE_API_KEY",
    "CLOUDFLARE_EMAIL",
    "CLOUDFLARE_BASE_URL",
)


@pytest.fixture(autouse=True)
def no_credentials(request, monkeypatch):
    """Only the tests against the real service see the credentials of whoever runs them."""
    if "live" not in request.keywords:
        for name in CREDENTIALS:
            monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def recorded():
    """The folder of answers as bytes."""
    return Path(__file__).parent / "recorded"
