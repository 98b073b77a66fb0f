"""Redacts credentials of a call in LlamaIndex's spans, events and callbacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import getattr_static, iscoroutinefunction
from typing import Any, TypeVar

from llama_index_instrumentation.dispatcher import DISPATCHER_SPAN_DECORATED_ATTR

from cf_llama.config.credentials import SECRETS, wrap_secrets

_Class = TypeVar("_Class", bound=type)
_FOR_THE_MODEL = "llm_kwargs"
"""The argument of LlamaIndex's structured methods with options for the model."""
_SECRET_OPTIONS = {*SECRETS, _FOR_THE_MODEL}


def redact_spans(kind: _Class) -> _Class:
    """Decorate a class so that its instrumented methods receive secrets wrapped."""
    for name in dir(kind):
        method = getattr_static(kind, name)
        if hasattr(method, DISPATCHER_SPAN_DECORATED_ATTR):
            setattr(kind, name, _redacting(method))
    return kind


def _redacting(method: Any) -> Callable[..., Any]:
    """Wrap a method; it is bound before the call, because LlamaIndex is far slower otherwise."""

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method.__get__(self, type(self))(*args, **_redacted(kwargs))

    @wraps(method)
    async def acall(self: Any, *args: Any, **kwargs: Any) -> Any:
        return await method.__get__(self, type(self))(*args, **_redacted(kwargs))

    return acall if iscoroutinefunction(method) else call


def _redacted(kwargs: dict[str, Any]) -> dict[str, Any]:
    if kwargs.keys().isdisjoint(_SECRET_OPTIONS):
        return kwargs
    options = wrap_secrets(kwargs)
    if isinstance(nested := options.get(_FOR_THE_MODEL), Mapping):
        options[_FOR_THE_MODEL] = wrap_secrets(nested)
    return options
