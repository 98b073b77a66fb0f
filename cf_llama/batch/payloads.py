"""Builds items of batches, and reads results in any form and order.

Items follow the schema "Async Batch" of the model's page; of the forms of results one is documented (Cloudflare docs:
Batch API), the others are known from answers of the service.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, NamedTuple

from cf_llama.batch.usage_shares import usage_shares
from cf_llama.protocol import chat_template, payloads
from cf_llama.protocol.accumulator import Accumulator
from cf_llama.protocol.error_responses import error_from, is_error
from cf_llama.protocol.errors import BadResponseError, InvalidRequestError, ServiceError, WorkersAIError
from cf_llama.protocol.reply import Reply, Usage
from cf_llama.protocol.request import ChatRequest
from cf_llama.transport.json_call import JSONResponse

PENDING = ("queued", "running", "processing", "pending")
_LONGEST_PLACE = 10  # digits
_RESULT_LISTS = ("responses", "results")
_IN_BATCHES = ("max_tokens", "temperature", "top_p", "seed", "repetition_penalty", "response_format")
_POSITIVE_IN_BATCHES = ("frequency_penalty", "presence_penalty")
_NOT_IN_BATCHES = ("top_k", "lora")
_BESIDE_MESSAGES = ("tools", "tool_choice", "functions")


class Item(NamedTuple):
    """A request of a batch and its reference."""

    reference: str
    request: ChatRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Outcome of an item: exactly one of `reply` and `error` is set."""

    reference: str
    reply: Reply | None = None
    """Its usage is a share, and marked so, if the service reported only the total of the batch."""
    error: WorkersAIError | None = None


class Results(NamedTuple):
    """The outcomes of a batch in its order, and their total usage."""

    outcomes: tuple[Outcome, ...]
    usage: Usage


def item_body(item: Item, *, messages: bool) -> dict[str, Any]:
    """Build the body of an item: with messages, or with a prompt rendered from them.

    Args:
        item: The request. A `prompt` that is not `raw` becomes a user's turn, as the queue wraps nothing.
        messages: Whether the service takes messages; the schema knows only prompts.

    Raises:
        InvalidRequestError: the request sets what the queue does not know.
    """
    request = item.request
    unknown = [name for name in _NOT_IN_BATCHES if getattr(request, name) is not None]
    unknown += ["functions"] if request.functions and not messages else []
    if unknown:
        raise InvalidRequestError(f"{', '.join(unknown)}: not known to the batch queue; use single calls for it")
    for name in _POSITIVE_IN_BATCHES:
        if (getattr(request, name) or 0) < 0:
            raise InvalidRequestError(f"{name} must be from 0 to 2 in a batch")
    body = request.body(stream=False)
    body = {name: body[name] for name in (*_IN_BATCHES, *_POSITIVE_IN_BATCHES) if name in body} | _messages_or_prompt(
        request, messages
    )
    return body | {"external_reference": item.reference}


def _messages_or_prompt(request: ChatRequest, messages: bool) -> dict[str, Any]:
    if request.messages is not None and messages:
        body = request.body(stream=False)
        return {name: body[name] for name in ("messages", *_BESIDE_MESSAGES) if name in body}
    if request.messages is None and request.raw:
        return {"prompt": request.prompt}
    request = request.with_instruction() if request.forced_tools else request  # a prompt carries no tool_choice
    turns = request.messages or ({"role": "user", "content": request.prompt},)
    return {"prompt": chat_template.render(turns, () if request.tool_choice == "none" else request.tools)}


def item_size(item: Mapping[str, Any]) -> int:
    """Maximum bytes of an item in a body."""
    return len(json.dumps(item)) + 1


def read_request_id(response: JSONResponse) -> str:
    """Read the id of a submitted batch.

    Raises:
        BadResponseError: the page names none.
    """
    result = _without_envelope(response.content)
    request_id = result.get("request_id") if isinstance(result, Mapping) else None
    if not isinstance(request_id, str) or not request_id:
        raise _bad_response(response, "the answer to a batch names no request_id")
    return request_id


def read_results(response: JSONResponse, items: Sequence[Item]) -> Results | None:
    """Read the results of a poll; None if there are none yet.

    Results belong to the item of their reference, else to that of their `id` or `index`, and where they have none of
    these, and all are there, to that of their place. Where no items are known, each result is one by itself, read as
    plain text.

    Raises:
        ServiceError: the batch failed as a whole.
        BadResponseError: the page cannot be read.
    """
    result = _without_envelope(response.content)
    if _is_pending(result):
        return None
    found = _result_list(result)
    if found is None:
        found = [_single_result(result, items, response)]
    matched = list(_match_items(items, found) if items else zip(_unidentified_items(found), found, strict=True))
    outcomes = tuple(_outcome(item, result, response) for item, result in matched)
    parts = [outcome.reply.usage for outcome in outcomes if outcome.reply and outcome.reply.usage]
    total = payloads.read_event({"usage": result.get("usage")}) if isinstance(result, Mapping) else None
    if parts or total is None or total.usage is None:
        return Results(outcomes, sum(parts, Usage()))
    return Results(_with_usage_shares(outcomes, [item for item, _ in matched], total.usage), total.usage)


def _with_usage_shares(outcomes: Sequence[Outcome], items: Sequence[Item], total: Usage) -> tuple[Outcome, ...]:
    """The outcomes, with each answer's share of the total usage."""
    answered = [(item.request, outcome.reply) for item, outcome in zip(items, outcomes, strict=True) if outcome.reply]
    lengths = [len(request.prompt or str(request.messages)) for request, _ in answered]
    answers = [len(reply.text) + sum(len(call.text) for call in reply.tool_calls) for _, reply in answered]
    found = iter(usage_shares(total, lengths, answers))
    return tuple(
        replace(each, reply=replace(each.reply, usage=next(found), usage_is_share=len(answered) > 1))
        if each.reply
        else each
        for each in outcomes
    )


def _without_envelope(content: Any) -> Any:
    return content["result"] if isinstance(content, Mapping) and "result" in content else content


def _is_pending(result: Any) -> bool:
    """Whether the batch is still running."""
    return isinstance(result, Mapping) and (result.get("status") in PENDING or result.keys() == {"request_id"})


def _single_result(result: Any, items: Sequence[Item], response: JSONResponse) -> Any:
    """The single result of a batch of one, returned without a list."""
    if is_error(result):
        raise _failure(response, result)
    if isinstance(result, Mapping) and (status := result.get("status")) is not None:
        raise ServiceError(f"the batch ended as {status!r}", status=response.status)
    if len(items) > 1 or payloads.read_event(result) is None:
        raise _bad_response(response, "the results of the batch cannot be read")
    return result


def _result_list(result: Any) -> list[Any] | None:
    if isinstance(result, list):
        return result
    lists = (result.get(name) for name in _RESULT_LISTS) if isinstance(result, Mapping) else ()
    return next((each for each in lists if isinstance(each, list)), None)


def _match_items(items: Sequence[Item], found: Sequence[Any]) -> Iterator[tuple[Item, Any]]:
    """Each item with its result, or None if it is missing."""
    names = {item.reference for item in items}
    keys = [_key(result, items, names) for result in found]
    if not any(keys) and len(found) == len(items):
        keys = [item.reference for item in items]
    by_reference = {
        key: result for key, result in reversed(list(zip(keys, found, strict=True))) if key
    }  # the first counts
    return ((item, by_reference.get(item.reference)) for item in items)


def _unidentified_items(found: Sequence[Any]) -> Iterator[Item]:
    """An item for each result of a batch of which nothing but its id was kept."""
    for place, result in enumerate(found):
        fields = result if isinstance(result, Mapping) else {}
        names = (fields[name] for name in ("external_reference", "id", "index") if fields.get(name) is not None)
        yield Item(str(next(names, place)), ChatRequest(prompt="?"))


def _key(result: Any, items: Sequence[Item], names: set[str]) -> str:
    if not isinstance(result, Mapping):
        return ""
    reference = result.get("external_reference")
    if isinstance(reference, str) and reference in names:
        return str(reference)
    number = next((str(result[name]) for name in ("id", "index") if result.get(name) is not None), "")
    place = int(number) if number.isdecimal() and len(number) < _LONGEST_PLACE else len(items)
    return items[place].reference if place < len(items) else ""


def _outcome(item: Item, result: Any, response: JSONResponse) -> Outcome:
    try:
        return Outcome(reference=item.reference, reply=_reply(item.request, result, response))
    except WorkersAIError as error:
        return Outcome(reference=item.reference, error=error)


def _reply(request: ChatRequest, result: Any, response: JSONResponse) -> Reply:
    if result is None:
        raise _bad_response(response, "the results of the batch lack this item", is_retryable=True)
    if is_error(result):
        raise _failure(response, result)
    payload = result
    while isinstance(payload, Mapping) and "result" in payload:  # once as documented, twice in older answers
        payload = payload["result"]
    event = payloads.read_event(payload)
    if event is None:
        raise _bad_response(response, "the result of this item cannot be read", is_retryable=True)
    accumulator = Accumulator(
        request, replace(payloads.response_metadata(response.headers), neurons=None)
    )  # they are those of all items
    deltas = chain(accumulator.push(event), accumulator.finish())
    return next(delta.reply for delta in deltas if delta.reply)


def _failure(response: JSONResponse, result: Any) -> WorkersAIError:
    """An item's failure. It has no status: without a code it counts as the service's."""
    error = error_from(500, response.headers, json.dumps(result).encode())
    error.status, error.response = response.status, None
    return error


def _bad_response(response: JSONResponse, message: str, *, is_retryable: bool = False) -> BadResponseError:
    response_metadata = payloads.response_metadata(response.headers)
    return BadResponseError(
        message,
        status=response.status,
        ray_id=response_metadata.ray_id,
        request_id=response_metadata.request_id,
        is_retryable=is_retryable,
    )
