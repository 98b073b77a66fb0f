"""Embedding models: what their bodies must be, and what they answer.

Source: the models' pages in Cloudflare's documentation, "Text Embeddings".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cf_llama_emulator.wire.errors import bad_input
from cf_llama_emulator.wire.tokens import estimate
from cf_llama_emulator.wire.validation import matching_form, validator_of

MOST_TEXTS = 100

Vector = Sequence[float]
Embed = Callable[[str, int, str], Vector]
"""Gives the vector of a text, by its dimensions and the space it belongs to."""


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """An embedding model."""

    name: str
    dimensions: int
    neurons: float
    """Price of a million input tokens, in neurons."""
    multilingual: bool = False
    """Whether it is of the other family: compares contexts with a query, and does not let its pooling be chosen."""


EMBEDDING_MODELS = {
    model.name: model
    for model in (
        EmbeddingModel("@cf/baai/bge-small-en-v1.5", 384, 1841),
        EmbeddingModel("@cf/baai/bge-base-en-v1.5", 768, 6058),
        EmbeddingModel("@cf/baai/bge-large-en-v1.5", 1024, 18_582),
        EmbeddingModel("@cf/baai/bge-m3", 1024, 1075, multilingual=True),
    )
}
"""Those that answer here, by name."""

_TEXT = {"type": "string", "minLength": 1}
_TEXTS = {"oneOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": MOST_TEXTS}]}
"""The pages let an empty list pass; no answer to one is recorded."""
_POOLINGS = ("mean", "cls")
_TRUNCATE = {"truncate_inputs": {"type": "boolean"}}
_CONTEXT = {"type": "object", "properties": {"text": _TEXT}}


def _form(required: str, **properties: Any) -> Any:
    return validator_of({"type": "object", "properties": properties, "required": [required]})


_FORMS = {
    False: {"text": _form("text", text=_TEXTS, pooling={"type": "string", "enum": _POOLINGS})},
    True: {
        "contexts": _form("contexts", query=_TEXT, contexts={"type": "array", "items": _CONTEXT}, **_TRUNCATE),
        "text": _form("text", text=_TEXTS, **_TRUNCATE),
    },
}
"""By whether the model is multilingual."""
_OPENAI_FORM = {"input": _form("input", input=_TEXTS)}


@dataclass(frozen=True, slots=True)
class EmbeddingAnswer:
    """A body, and what was read for it."""

    body: dict[str, Any]
    tokens: int
    neurons: float
    """What it costs."""


def answer(model: EmbeddingModel, body: Mapping[str, Any], embed: Embed) -> EmbeddingAnswer:
    """Answer a body on the model's own route.

    Raises:
        ServiceError: 400/5006 for a body that the model's page does not allow.
    """
    form = matching_form(body, _FORMS[model.multilingual])
    if form == "contexts":
        return _of_contexts(model, body, embed)
    texts, pooling = _listed(body["text"]), _pooling(model, body)
    vectors = [embed(text, model.dimensions, _space(model, pooling)) for text in texts]
    return _answer(model, {"shape": _shape(model, vectors), "data": vectors, "pooling": pooling}, _tokens(texts))


def openai_answer(model: EmbeddingModel, body: Mapping[str, Any], embed: Embed) -> EmbeddingAnswer:
    """Answer a body on the OpenAI-compatible route: in OpenAI's form, always with lists of numbers.

    Raises:
        ServiceError: 400/5006 for an `input` that is not a text or a list of texts.
    """
    matching_form(body, _OPENAI_FORM)
    texts = _listed(body["input"])
    tokens, space = _tokens(texts), _space(model, _pooling(model, {}))
    data = [
        {"object": "embedding", "index": position, "embedding": embed(text, model.dimensions, space)}
        for position, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return _answer(model, {"object": "list", "data": data, "model": model.name, "usage": usage}, tokens)


def _of_contexts(model: EmbeddingModel, body: Mapping[str, Any], embed: Embed) -> EmbeddingAnswer:
    """Compare contexts with the query, best first; without a query return their vectors."""
    texts, pooling = [context.get("text", "") for context in body["contexts"]], _pooling(model, body)
    space = _space(model, pooling)
    vectors = [embed(text, model.dimensions, space) for text in texts]
    if "query" not in body:
        shape = _shape(model, vectors)
        return _answer(model, {"response": vectors, "shape": shape, "pooling": pooling}, _tokens(texts))
    query = embed(body["query"], model.dimensions, space)
    scored = [{"id": position, "score": cosine(query, vector)} for position, vector in enumerate(vectors)]
    scored.sort(key=lambda entry: -entry["score"])
    return _answer(model, {"response": scored}, _tokens([body["query"], *texts]))


def _answer(model: EmbeddingModel, body: dict[str, Any], tokens: int) -> EmbeddingAnswer:
    return EmbeddingAnswer(body, tokens, tokens * model.neurons / 1e6)


def refuse_text_model() -> None:
    """Refuse a text generation model on the route of embeddings, whose body has neither prompt nor messages."""
    required = ("prompt", "messages")
    raise bad_input(
        "oneOf at '/' not met, 0 matches: " + ", ".join(f"required properties at '/' are '{key}'" for key in required)
    )


def _pooling(model: EmbeddingModel, body: Mapping[str, Any]) -> str:
    return "cls" if model.multilingual else str(body.get("pooling", "mean"))


def _space(model: EmbeddingModel, pooling: str) -> str:
    return f"{model.name} {pooling}"


def _shape(model: EmbeddingModel, vectors: Sequence[Vector]) -> list[int]:
    return [len(vectors), model.dimensions]


def _listed(texts: str | list[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else texts


def _tokens(texts: Sequence[str]) -> int:
    return sum(map(estimate, texts))


def cosine(one: Vector, other: Vector) -> float:
    """Return the cosine of two vectors of length 1."""
    return sum(a * b for a, b in zip(one, other, strict=True))
