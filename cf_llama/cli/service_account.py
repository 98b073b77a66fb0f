"""The account of the environment, with which the playground may ask the real service."""

from __future__ import annotations

from cf_llama.config.connection import Connection
from cf_llama.config.credentials import account_from_environment, base_url_from_environment, token_from_environment
from cf_llama.protocol.errors import WorkersAIError
from cf_llama_emulator.settings import ACCOUNT_ID, API_TOKEN, ServiceAccount


def service_from_environment() -> ServiceAccount | None:
    """Return the account of the usual variables; None without one, and for an emulator's.

    Raises:
        ValueError: account, token or base URL is missing beside the others, or not valid; values are not shown.
    """
    account_id, token = account_from_environment(), token_from_environment()
    if account_id is None and token is None:
        return None
    try:
        checked = Connection(base_url=base_url_from_environment(), account_id=account_id, api_token=token)
    except WorkersAIError as error:
        raise ValueError(error.message) from None
    assert account_id  # noqa: S101 - the connection refuses what is missing
    assert token  # noqa: S101 - as above
    if (account_id, token.get_secret_value()) == (ACCOUNT_ID, API_TOKEN):
        return None
    return ServiceAccount(account_id=account_id, api_token=token.get_secret_value(), base_url=checked.base_url)
