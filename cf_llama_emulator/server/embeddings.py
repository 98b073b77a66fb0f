"""Handlers of the routes of embedding models."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cf_llama_emulator.engines.embeddings import embed
from cf_llama_emulator.faults.catalogue import BARE
from cf_llama_emulator.server.handlers import Emulator
from cf_llama_emulator.server.request_context import plan_of
from cf_llama_emulator.server.responses import envelope, json_response
from cf_llama_emulator.wire.embeddings import (
    EMBEDDING_MODELS,
    Embed,
    EmbeddingAnswer,
    EmbeddingModel,
    answer,
    openai_answer,
    refuse_text_model,
)
from cf_llama_emulator.wire.errors import bad_input, emulator_error
from cf_llama_emulator.wire.validation import parse_body

Answer = Callable[[EmbeddingModel, Mapping[str, Any], Embed], EmbeddingAnswer]


def embedding_routes(emulator: Emulator, account: str, gateway: str) -> list[Route]:
    """Return the routes of embeddings; those of the models stand before the one that takes any model."""
    handlers = Embeddings(emulator)
    own = (f"{account}/ai/run", f"{gateway}/run", gateway)
    return [
        *(
            Route(f"{route}/{name}", partial(handlers.run, model), methods=["POST"])
            for route in own
            for name, model in EMBEDDING_MODELS.items()
        ),
        Route(f"{account}/ai/v1/embeddings", handlers.openai, methods=["POST"]),
        Route(f"{gateway}/v1/embeddings", handlers.openai, methods=["POST"]),
    ]


@dataclass
class Embeddings:
    """The handlers."""

    emulator: Emulator

    async def run(self, model: EmbeddingModel, request: Request) -> Response:
        """Answer `POST …/ai/run/{model}`, in the envelope unless a fault leaves it out."""
        content = await self.emulator.admit(request)
        body = parse_body(content)
        if request.query_params.get("queueRequest") == "true" or "requests" in body or "request_id" in body:
            raise emulator_error("embedding models have no batch queue here; send the texts at once, up to 100")
        found = await self._begin(request, body, model, answer)
        return await self._send(request, content, found, bare=BARE in plan_of(request))

    async def openai(self, request: Request) -> Response:
        """Answer `POST …/ai/v1/embeddings`, without envelope."""
        content = await self.emulator.admit(request)
        body = parse_body(content)
        name = body.get("model")
        if not isinstance(name, str):
            raise bad_input("required properties at '/' are 'model'")
        if name not in EMBEDDING_MODELS:
            self.emulator.check_model(request, name)
            refuse_text_model()
        found = await self._begin(request, body, EMBEDDING_MODELS[name], openai_answer)
        return await self._send(request, content, found, bare=True)

    async def _begin(
        self, request: Request, body: dict[str, Any], model: EmbeddingModel, answer: Answer
    ) -> EmbeddingAnswer:
        """Validate a body and think."""
        request.state.model = model.name
        found = await asyncio.to_thread(answer, model, body, embed)  # long texts take a while
        await self.emulator.begin(request, body)
        return found

    async def _send(self, request: Request, content: bytes, found: EmbeddingAnswer, *, bare: bool) -> Response:
        """Send what was thought, or what the gateway's cache has."""

        async def generate() -> Response:
            request.state.tokens = found.tokens, 0
            self.emulator.spend(found.neurons)
            headers = {"x-emulator-engine": "rule", "cf-ai-neurons": f"{found.neurons:.2f}"}
            body = found.body if bare else envelope(found.body)
            return json_response(body, headers=self.emulator.headers(request) | headers)

        return await self.emulator.answer(request, content, generate)
