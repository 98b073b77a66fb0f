"""How batches are cut, sent and waited for."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as validated


@validated(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class BatchOptions:
    """How batches are cut, sent and waited for; times in seconds."""

    max_items: int = Field(default=50, ge=1)
    """Items of one batch; no limit is documented, batches of 50 are known to pass."""
    max_bytes: int = Field(default=9_000_000, ge=1000, le=10_000_000)
    """Bytes of one batch; the service takes less than 10 MB (Cloudflare docs: Batch API)."""
    first_poll: float = Field(default=5.0, ge=0)
    longest_poll: float = Field(default=30.0, ge=0)
    """Polls become rarer, up to this."""
    deadline: float = Field(default=1800.0, gt=0)
    """For one batch: how long it is sent again where it is refused, and once it is taken, how long it is asked for."""
    max_waiting: int = Field(default=10, ge=1)
    """Batches under way at a time."""
    per_minute: int = Field(default=300, ge=1)
    """Batches sent in a minute (Cloudflare docs: Workers AI limits); polls do not count."""
    capacity_pause: float = Field(default=30.0, ge=0)
    """After a refusal for lack of capacity; doubled with each, up to four times as long."""
    items: Literal["auto", "messages", "prompt"] = "auto"
    """How questions are written; auto tries messages, and takes prompts once the service refuses them."""
