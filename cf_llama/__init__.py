"""The wire to Llama 3.3 70B on Cloudflare Workers AI: httpx and pydantic, no framework.

    Settings ── connection ──▶ Transport.run / arun / stream / astream ──▶ Reply, Delta
    ChatRequest ── body ───────────────┘

`wire` is the only module that knows the shapes of the service; a socket is touched by `transport` and by the
connections under it, in `http`. On the transport stand `batch`, the service's queue, and `cli`, the command.
"""

from cf_llama.config.budget import Budget, budget
from cf_llama.config.connection import Connection, Timeouts
from cf_llama.config.gateway import Gateway
from cf_llama.config.rate_limit import RateLimit
from cf_llama.config.settings import Settings
from cf_llama.protocol.errors import (
    AuthenticationError,
    BadResponseError,
    BudgetExceededError,
    CapacityError,
    ConnectionFailedError,
    ContextOverflowError,
    InvalidRequestError,
    JournalError,
    JSONModeError,
    MissingCredentialsError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RequestTimeoutError,
    ServiceError,
    StreamInterruptedError,
    SubmissionInDoubtError,
    ToolChoiceError,
    WorkersAIError,
)
from cf_llama.protocol.model import CONTEXT_WINDOW, MODEL
from cf_llama.protocol.reply import Delta, Reply, ResponseMetadata, ToolCall, Usage
from cf_llama.protocol.request import ChatRequest
from cf_llama.transport.limits.registry import forget_limits
from cf_llama.transport.limits.snapshot import Limits
from cf_llama.transport.transport import Transport
from cf_llama.version import __version__

__all__ = [
    "CONTEXT_WINDOW",
    "MODEL",
    "AuthenticationError",
    "BadResponseError",
    "Budget",
    "BudgetExceededError",
    "CapacityError",
    "ChatRequest",
    "Connection",
    "ConnectionFailedError",
    "ContextOverflowError",
    "Delta",
    "Gateway",
    "InvalidRequestError",
    "JSONModeError",
    "JournalError",
    "Limits",
    "MissingCredentialsError",
    "NotFoundError",
    "PermissionDeniedError",
    "QuotaExceededError",
    "RateLimit",
    "RateLimitError",
    "Reply",
    "RequestTimeoutError",
    "ResponseMetadata",
    "ServiceError",
    "Settings",
    "StreamInterruptedError",
    "SubmissionInDoubtError",
    "Timeouts",
    "ToolCall",
    "ToolChoiceError",
    "Transport",
    "Usage",
    "WorkersAIError",
    "__version__",
    "budget",
    "forget_limits",
]
