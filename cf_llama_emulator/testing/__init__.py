"""For tests, examples and notebooks: an emulator with a script, the pytest fixture, and the service where there is one.

What an emulator does with a request belongs in `server`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cf_llama_emulator.testing.scripted import Call, End, Faults, Raw, ScriptedEmulator, ServiceError, Text

__all__ = ["Call", "End", "Faults", "Raw", "ScriptedEmulator", "ServiceError", "Text"]


def __getattr__(name: str) -> Any:  # pytest loads the plugin in here at each start, and no server with it
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from cf_llama_emulator.testing import scripted  # noqa: PLC0415 - as said above

    return getattr(scripted, name)
