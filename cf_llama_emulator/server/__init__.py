"""The ASGI application, and a server for it: routes, who may speak to them, the log of requests, AI Gateway.

What the service writes belongs in `wire`, what goes wrong on purpose in `faults`, what answers in `engines`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cf_llama_emulator.server.threaded import RunningEmulator, serve

__all__ = ["RunningEmulator", "serve"]


def __getattr__(name: str) -> Any:  # its modules import each other, and this one last
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from cf_llama_emulator.server import threaded  # noqa: PLC0415 - as said above

    return getattr(threaded, name)
