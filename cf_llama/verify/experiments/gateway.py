"""Statements about AI Gateway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cf_llama.config.gateway import Gateway
from cf_llama.verify.answer import Answer
from cf_llama.verify.experiment import Experiment, accepted, ask

_HEADERS = ("cf-aig-cache-status", "cf-aig-log-id")


def gateway_experiments(gateway: str) -> tuple[Experiment, ...]:
    """Return the statements about a gateway.

    Args:
        gateway: Its id.

    Raises:
        ValueError: it can be no id.
    """
    headers = tuple(Gateway(id=gateway, cache_ttl=300).headers().items())
    cached = replace(ask("Say hello.", seed=11), headers=headers)
    return (
        Experiment(
            name="gateway-headers",
            statement="An answer through a gateway has its cache status and the id of its log.",
            section="10.3",
            requests=(cached,),
            expected=", ".join(_HEADERS),
            observe=lambda answers: ", ".join(name for name in _HEADERS if name in accepted(answers[0]).headers),
        ),
        Experiment(
            name="gateway-cache",
            statement="The same request is answered from the cache of a gateway that is asked to keep answers.",
            section="10.2",
            requests=(cached, replace(cached, copy=1)),
            expected="HIT",
            observe=_cache_status,
        ),
    )


def _cache_status(answers: Sequence[Answer]) -> str:
    return accepted(answers[-1]).headers.get(_HEADERS[0], "no header")
