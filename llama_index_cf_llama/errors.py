"""The errors of an answer that is no object, as LlamaIndex expects them; all others are those of `cf_llama`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cf_llama.protocol import errors


class ToolChoiceError(errors.ToolChoiceError, ValueError):
    """A tool call was forced and did not come; `partial` is what the model answered."""


class JSONModeError(errors.JSONModeError, ValueError):
    """The model could not meet the JSON schema."""


@contextmanager
def llama_index_errors() -> Iterator[None]:
    """Convert errors raised in the block to the classes of this module, which are `ValueError`s as well.

    LlamaIndex's synthesizers and extractors go on after those with the next piece of text.
    """
    try:
        yield
    except errors.ToolChoiceError as error:
        raise ToolChoiceError(error.message, **error.details()) from error
    except errors.JSONModeError as error:
        raise JSONModeError(error.message, **error.details()) from error
