"""Account, token and headers given for one call, out of the sight of LlamaIndex's spans, events and callbacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from llama_index_instrumentation.dispatcher import DISPATCHER_SPAN_DECORATED_ATTR

from cf_llama.settings import concealed

_Class = TypeVar("_Class", bound=type)
_FOR_THE_MODEL = "llm_kwargs"
"""Where LlamaIndex's structured methods take what is meant for the model."""


def discreet(kind: _Class) -> _Class:
    """The same class, whose observed methods are told of nothing secret: they pass on what they are given."""
    for name in dir(kind):
        method = getattr(kind, name)
        if hasattr(method, DISPATCHER_SPAN_DECORATED_ATTR):
            setattr(kind, name, _concealing(method))
    return kind


def _concealing(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        return method(*args, **_concealed(kwargs))

    @wraps(method)
    async def acall(*args: Any, **kwargs: Any) -> Any:
        return await method(*args, **_concealed(kwargs))

    return acall if iscoroutinefunction(method) else call


def _concealed(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    given = concealed(kwargs)
    if isinstance(nested := given.get(_FOR_THE_MODEL), Mapping):
        given[_FOR_THE_MODEL] = concealed(nested)
    return given
