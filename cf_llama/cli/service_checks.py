"""What `doctor` finds out by calls: connection, token, model, and what the model can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cf_llama.batch import Batch, Item
from cf_llama.cli.client import Client
from cf_llama.cli.findings import Finding, failure
from cf_llama.config.settings import Settings
from cf_llama.protocol import json_values, model, tokens
from cf_llama.protocol.errors import (
    AuthenticationError,
    ConnectionFailedError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    WorkersAIError,
)
from cf_llama.protocol.reply import Reply, Usage
from cf_llama.protocol.request import ChatRequest

_NUMBER = "2718281828459045235360287"
_NO_ACCOUNT = 7003
_CODES_OF_WORKERS_AI = range(3000, 6000)  # refused by it, the token has come past Cloudflare's API
_END_OF_TURN = 2  # tokens that are billed and have no text
_ADD = {
    "name": "add",
    "description": "Add two whole numbers.",
    "parameters": {
        "type": "object",
        "properties": {name: {"type": "integer", "description": f"The {name} number."} for name in ("first", "second")},
        "required": ["first", "second"],
    },
}
_CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "inhabitants": {"type": "integer"}},
    "required": ["city", "inhabitants"],
}


class ServiceChecks:
    """Checks that call the service.

    Args:
        client: Sends the requests.
        settings: Settings of each request.
    """

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._first_reply = Reply()
        self._last_usage = Usage()
        self.cost_usd = 0.0
        """US dollars at the published price so far."""

    def run(self) -> Iterator[Finding]:
        """All checks; without an answer of the model those that need one are skipped."""
        error = self._ask_first()
        yield from access_findings(error, self._client.transport.connection.host, self._first_reply.usage or Usage())
        for name, check in self._further().items():
            yield Finding(name, "skipped", "needs an answer of the model") if error else self._checked(name, check)

    def _further(self) -> dict[str, Callable[[], Finding]]:
        return {
            "stream": self._check_stream,
            "digits": self._check_digits,
            "tools": self._check_tools,
            "JSON mode": self._check_json_mode,
            "batch queue": self._check_queue,
            "AI Gateway": self._check_gateway,
        }

    def _checked(self, name: str, check: Callable[[], Finding]) -> Finding:
        try:
            return check()
        except WorkersAIError as error:
            return failure(name, error)

    def _ask_first(self) -> WorkersAIError | None:
        try:
            self._first_reply = self._run("Reply with the word ready.", max_tokens=10)
        except WorkersAIError as error:
            return error
        return None

    def _check_stream(self) -> Finding:
        pieces = self._stream("Count from one to five in words.", max_tokens=30)
        if not pieces:
            return Finding("stream", "failed", "no text came", "Ask without streaming, and report it.")
        if len(pieces) > 1:
            return Finding("stream", "ok", f"{len(pieces)} pieces")
        return Finding("stream", "ok", "the answer came in one piece; something on the way may hold it back")

    def _check_digits(self) -> Finding:
        pieces = self._stream(f"Write this number and nothing else: {_NUMBER}", max_tokens=60)
        return digits_finding("".join(pieces), self._last_usage)

    def _check_tools(self) -> Finding:
        reply = self._run("What is 17 + 25?", tools=[_ADD], tool_choice="add", max_tokens=100)
        call = reply.tool_calls[0]
        if call.error or not all(isinstance(call.arguments.get(name), int) for name in ("first", "second")):
            return Finding(
                "tools",
                "failed",
                f"the arguments do not fit: {call.text!r}",
                "Run it again: a model errs now and then.",
            )
        return Finding("tools", "ok", f"called add({call.arguments['first']}, {call.arguments['second']})")

    def _check_json_mode(self) -> Finding:
        form = {"type": "json_schema", "json_schema": _CITY}
        reply = self._run("Paris has 2102650 inhabitants.", response_format=form, max_tokens=100)
        try:
            value = json_values.parse(json_values.without_fence(reply.text))
        except json_values.InvalidJSON:
            value = None
        if not isinstance(value, dict) or not value.keys() >= set(_CITY["required"]):
            return Finding(
                "JSON mode",
                "failed",
                f"the answer does not fit: {reply.text!r}",
                "Run it again: a model errs now and then.",
            )
        return Finding("JSON mode", "ok", "the answer fits its schema")

    def _check_queue(self) -> Finding:
        request = self._request("Hi", max_tokens=1)
        [ticket] = Batch(self._client.transport).submit([Item("doctor", request)])
        self.cost_usd += model.cost(tokens.count_messages(request.messages or ()), 1)
        return Finding("batch queue", "ok", f"took a request, which is not waited for ({ticket.request_id})")

    def _check_gateway(self) -> Finding:
        gateway = self._settings.gateway
        if gateway is None:
            return Finding("AI Gateway", "skipped", "none is set; --set gateway=ID checks one")
        if any(name.startswith("cf-aig-") for name in self._first_reply.response_metadata.headers):
            return Finding("AI Gateway", "ok", f"answers come through {gateway.id}")
        return Finding("AI Gateway", "failed", f"no answer names {gateway.id}", "Check the id in the dashboard.")

    def _request(self, question: str, **options: Any) -> ChatRequest:
        messages = [{"role": "user", "content": question}]
        return ChatRequest(messages=messages, **{**self._settings.request_fields(), "temperature": 0, **options})

    def _run(self, question: str, **options: Any) -> Reply:
        reply = self._client.run(self._request(question, **options))
        self._bill(reply)
        return reply

    def _stream(self, question: str, **options: Any) -> list[str]:
        """The pieces of a streamed answer."""
        pieces = []
        for delta in self._client.stream(self._request(question, **options)):
            if delta.text:
                pieces.append(delta.text)
            if delta.reply:
                self._bill(delta.reply)
        return pieces

    def _bill(self, reply: Reply) -> None:
        self._last_usage = reply.usage or Usage()
        self.cost_usd += self._last_usage.cost


def access_findings(error: WorkersAIError | None, host: str, usage: Usage) -> Iterator[Finding]:
    """What the first call says of connection, token and model: all is good up to the one that failed."""
    good = {
        "connection": f"{host} answers",
        "token": "valid and permitted to use Workers AI",
        "model": f"answers, with {usage.prompt_tokens} + {usage.completion_tokens} tokens",
    }
    names = list(good)
    culprit = _culprit(error) if error else ""
    end = names.index(culprit) if error else len(names)
    for name in names[:end]:
        if name == "token" and error and not _proves_token(error):
            yield Finding(name, "skipped", "not known, as the service did not say what is wrong")
        else:
            yield Finding(name, "ok", good[name])
    if error:
        yield failure(culprit, error)
    for name in names[end + 1 :]:
        yield Finding(name, "skipped", f"needs the {culprit}")


def _culprit(error: WorkersAIError) -> str:
    if "base_url" in error.advice:
        return "connection"
    if isinstance(error, PermissionDeniedError):
        return "model" if error.code in _CODES_OF_WORKERS_AI else "token"
    if isinstance(error, AuthenticationError):
        return "token"
    if isinstance(error, NotFoundError) and error.code == _NO_ACCOUNT:
        return "token"
    never_sent = isinstance(error, InvalidRequestError) and error.status is None
    if never_sent or isinstance(error, ConnectionFailedError | RequestTimeoutError):
        return "connection"
    return "model"


def _proves_token(error: WorkersAIError) -> bool:
    """Whether the service itself has refused, which comes after it has looked at the token."""
    return error.code is not None or isinstance(error, RateLimitError)


def digits_finding(text: str, usage: Usage) -> Finding:
    """Whether a streamed number has all its digits: by the digits, and by the tokens that were billed for it."""
    if _NUMBER in text:
        return Finding("digits", "ok", f"all {len(_NUMBER)} digits of a number came")
    billed, counted = usage.completion_tokens, tokens.count_text(text)
    if tokens.is_exact() and billed > counted + _END_OF_TURN:
        advice = "Ask without streaming, and report it."
        return Finding("digits", "failed", f"{billed} tokens are billed, and the text has {counted}: {text!r}", advice)
    return Finding("digits", "skipped", "the model wrote another number, with as many tokens as are billed")
