"""Account, token and headers given for one call, out of the sight of LlamaIndex's spans, events and callbacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import getattr_static, iscoroutinefunction
from typing import Any, TypeVar

from llama_index_instrumentation.dispatcher import DISPATCHER_SPAN_DECORATED_ATTR

from cf_llama.config.credentials import SECRETS, concealed

_Class = TypeVar("_Class", bound=type)
_FOR_THE_MODEL = "llm_kwargs"
"""Where LlamaIndex's structured methods take what is meant for the model."""
_TELLING = {*SECRETS, _FOR_THE_MODEL}


def discreet(kind: _Class) -> _Class:
    """The same class, whose observed methods are told of nothing secret: they pass on what they are given."""
    for name in dir(kind):
        method = getattr_static(kind, name)
        if hasattr(method, DISPATCHER_SPAN_DECORATED_ATTR):
            setattr(kind, name, _concealing(method))
    return kind


def _concealing(method: Any) -> Callable[..., Any]:
    """The method, bound to its object in the usual way before it is called: LlamaIndex takes far longer otherwise."""

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method.__get__(self, type(self))(*args, **_concealed(kwargs))

    @wraps(method)
    async def acall(self: Any, *args: Any, **kwargs: Any) -> Any:
        return await method.__get__(self, type(self))(*args, **_concealed(kwargs))

    return acall if iscoroutinefunction(method) else call


def _concealed(kwargs: dict[str, Any]) -> dict[str, Any]:
    if kwargs.keys().isdisjoint(_TELLING):
        return kwargs
    given = concealed(kwargs)
    if isinstance(nested := given.get(_FOR_THE_MODEL), Mapping):
        given[_FOR_THE_MODEL] = concealed(nested)
    return given
