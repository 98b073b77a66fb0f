"""Options of batches."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as validated


@validated(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class BatchOptions:
    """Options of batches; times in seconds."""

    max_items: int = Field(default=50, ge=1)
    """Items per batch; no limit is documented, batches of 50 are known to work."""
    max_bytes: int = Field(default=9_000_000, ge=1000, le=10_000_000)
    """Bytes per batch; the service accepts less than 10 MB (Cloudflare docs: Batch API)."""
    first_poll: float = Field(default=5.0, ge=0)
    longest_poll: float = Field(default=30.0, ge=0)
    """Longest interval between polls, which grows."""
    deadline: float = Field(default=1800.0, gt=0)
    """Deadline of a batch: for submitting it again after refusals, and for polling it."""
    max_waiting: int = Field(default=10, ge=1)
    """Batches in flight at once."""
    capacity_pause: float = Field(default=30.0, ge=0)
    """Pause after a refusal for lack of capacity; doubles up to four times."""
    items: Literal["auto", "messages", "prompt"] = "auto"
    """Form of the items; auto tries messages, and uses prompts once the service rejects them."""
