"""The facts that the page is built from: account, model, parameters, faults, price."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from cf_llama_emulator.faults import HEADER
from cf_llama_emulator.faults.catalogue import CATALOGUE
from cf_llama_emulator.faults.kinds import Fault
from cf_llama_emulator.playground.spending import DOLLARS_PER_MILLION
from cf_llama_emulator.settings import ACCOUNT_ID, API_TOKEN, UPSTREAM, ServiceAccount, Settings
from cf_llama_emulator.wire.models import MODEL
from cf_llama_emulator.wire.tokens import CONTEXT_WINDOW
from cf_llama_emulator.wire.writers import WRITERS

_OF_THE_QUEUE = "queue-"


def page_config(settings: Settings, engine: str, key: str = "") -> dict[str, Any]:
    """Return what the page asks for before it draws itself.

    Args:
        settings: Of the emulator that the page talks to.
        engine: The name of the engine that answers.
        key: What the page shows in order to ask the real service.
    """
    return {
        "account_id": settings.account_id or ACCOUNT_ID,
        "api_token": settings.api_token or API_TOKEN,
        "model": MODEL,
        "engine": engine,
        "service": _service(settings.service, key) if settings.service else None,
        "shape": settings.shape,
        "shapes": list(WRITERS),
        "context_window": CONTEXT_WINDOW,
        "dollars_per_million": DOLLARS_PER_MILLION,
        "parameters": parameters(),
        "faults_header": HEADER,
        "faults": [_fault(fault) for name, fault in CATALOGUE.items() if not name.startswith(_OF_THE_QUEUE)],
    }


def _service(account: ServiceAccount, key: str) -> dict[str, Any]:
    """Return what the page learns of the real service: neither account nor token."""
    is_cloudflare = account.host == urlsplit(UPSTREAM).netloc
    return {"name": "Cloudflare" if is_cloudflare else account.host, "is_cloudflare": is_cloudflare, "key": key}


@cache
def parameters() -> list[dict[str, Any]]:
    """Return the numeric parameters of the model page's schema, each with the range and default that it has."""
    page = json.loads(files("cf_llama_emulator.wire").joinpath("model_schema.json").read_text("utf-8"))
    properties = page["oneOf"][1]["properties"]
    return [{"name": name} | schema for name, schema in properties.items() if schema["type"] in ("integer", "number")]


def _fault(fault: Fault) -> dict[str, str]:
    return {"name": fault.name, "value": fault.takes.hint.removeprefix("="), "does": fault.does}
