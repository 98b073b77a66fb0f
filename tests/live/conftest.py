"""Live tests are chosen with `-m live`; chosen without an account, they fail rather than pass unseen."""

import pytest

from cf_llama import Settings


@pytest.fixture(autouse=True)
def account():
    settings = Settings()
    if not (settings.account_id and settings.api_token):
        pytest.fail("live tests need CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN")
