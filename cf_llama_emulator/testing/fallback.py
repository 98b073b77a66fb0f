"""The service where there is an account, an emulator in its place where there is none: for examples and notebooks."""

from __future__ import annotations

import os
from collections.abc import Callable

from cf_llama_emulator.engines.choose import PulledModel, Rules, choose_for_this_machine, start
from cf_llama_emulator.server.threaded import RunningEmulator, serve
from cf_llama_emulator.wire.engine_protocol import Engine

ACCOUNT_VARIABLES = ("CLOUDFLARE_ACCOUNT_ID", "CF_ACCOUNT_ID")
TOKEN_VARIABLES = (
    "CLOUDFLARE_API_TOKEN",
    "CLOUDFLARE_AUTH_TOKEN",
    "CF_AI_API_TOKEN",
    "CF_API_TOKEN",
    "CLOUDFLARE_API_KEY",
)


def emulator_unless_account(say: Callable[[str], object] = print) -> RunningEmulator | None:
    """Leave everything as it is where an account and a token are set; otherwise start an emulator and set its own.

    It thinks with the largest local model that has been pulled, and with fixed rules where there is none.

    Args:
        say: Told in a sentence what will answer.

    Returns:
        The emulator, to be closed in the end, or None where the service itself is used.
    """
    if _is_set(ACCOUNT_VARIABLES) and _is_set(TOKEN_VARIABLES):
        say("Llama 3.3 70B on Workers AI, with the account in the environment.")
        return None
    emulator = serve(_engine(say))
    os.environ["CLOUDFLARE_BASE_URL"] = emulator.base_url
    os.environ["CLOUDFLARE_ACCOUNT_ID"] = emulator.account_id
    os.environ["CLOUDFLARE_API_TOKEN"] = emulator.api_token
    return emulator


def _is_set(names: tuple[str, ...]) -> bool:
    return any(os.environ.get(name, "").strip() for name in names)


def _engine(say: Callable[[str], object]) -> Engine:
    choice = choose_for_this_machine("auto")
    try:
        engine = start(choice)
    except (OSError, RuntimeError) as error:
        say(f"The local model cannot be loaded: {error}")
        choice, engine = Rules(), start(Rules())
    if isinstance(choice, PulledModel):
        say(f"No account is set: an emulator on this machine answers, thinking with {choice.name}.")
        say("That is a small model and not Llama 3.3 70B: quality, speed and token counts are its own.")
    else:
        say("No account is set, and no local model is there: an emulator on this machine answers by fixed rules.")
        say("It shows how everything works together, and thinks nothing. A small real model: cf-llama model pull")
    return engine
