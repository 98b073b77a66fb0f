"""The shared part of the chat model and the text model: settings, identity, secrets, token counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from langchain_core.language_models.base import BaseLanguageModel, LangSmithParams
from langchain_core.runnables import Runnable, RunnableBinding
from langchain_core.runnables.utils import Input, Output
from pydantic import ConfigDict, model_validator

from cf_llama.config.credentials import SECRETS, wrap_secrets
from cf_llama.config.settings import Settings
from cf_llama.protocol import model as facts
from cf_llama.protocol import tokens
from cf_llama.transport.limits.registry import limits_of
from cf_llama.transport.limits.snapshot import Limits
from cf_llama.version import __version__

_DUMP = "_serialized"
"""Where LangChain caches the dump that is part of its cache key. It never invalidates it, so a changed model or copy
would get the cached answers of the old one."""


def redacted(options: Mapping[str, Any]) -> dict[str, Any]:
    """Redact the options of a call for traces and cache keys."""
    return {name: "**********" if name in SECRETS else value for name, value in options.items()}


class RedactedBinding(RunnableBinding[Input, Output]):  # type: ignore[no-redef] # LangChain's too
    """A model with options bound to it, of which secrets are redacted."""

    model_config = ConfigDict(defer_build=True)  # not every program binds

    def bind(self, **kwargs: Any) -> Runnable[Input, Output]:
        """Bind further options to the model."""
        return super().bind(**wrap_secrets(kwargs))

    @classmethod
    def lc_id(cls) -> list[str]:
        """It is serialized as LangChain's binding."""
        return RunnableBinding.lc_id()


class CloudflareModel(Settings, BaseLanguageModel[Any]):
    """A LangChain model with the settings as fields.

    It can be pickled, copied, dumped and configured. A pickle contains a token that was passed as an argument.
    """

    model_config = Settings.model_config | ConfigDict(defer_build=True)  # never instantiated

    def limits(self) -> Limits | None:
        """Return what this process knows of the account's limits as plain data; None if `rate_limit` is False."""
        return limits_of(self.connection(), self.model)

    def get_token_ids(self, text: str) -> list[int]:
        """Token ids of Llama 3.

        Raises:
            ImportError: the extra `tokens` is not installed.
        """
        return self.custom_get_token_ids(text) if self.custom_get_token_ids else tokens.encode(text)

    def get_num_tokens(self, text: str) -> int:
        """Count the tokens of a text: exactly with the extra `tokens`, else as an estimate."""
        return len(self.get_token_ids(text)) if self.custom_get_token_ids else tokens.count_text(text)

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return self.request_fields() | {"stop": list(self.stop)}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        """LangSmith's parameters with the provider name that responses have, because middleware compares the two."""
        params: LangSmithParams = super()._get_ls_params(stop=stop, **kwargs)
        if self.stop:
            params.setdefault("ls_stop", list(self.stop))
        params["ls_provider"] = facts.PROVIDER
        return params

    @model_validator(mode="after")
    def _set_cf_llama_version(self) -> Self:
        self._add_version("cf-llama", __version__)
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__.pop(_DUMP, None)
        super().__setattr__(name, value)

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied.__dict__.pop(_DUMP, None)
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        copied = super().__deepcopy__(memo)
        copied.__dict__.pop(_DUMP, None)
        return copied

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Whether `dumps` and `load` support this model."""
        return True

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Fields that are serialized as references to environment variables."""
        return {"account_id": "CLOUDFLARE_ACCOUNT_ID", "api_token": "CLOUDFLARE_API_TOKEN"}

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """Fields in JSON form."""
        gateway = self.gateway.as_json() if self.gateway else None
        limit = self.rate_limit.as_json() if self.rate_limit else self.rate_limit
        return {"timeout": vars(self.timeout), "stop": list(self.stop), "gateway": gateway, "rate_limit": limit}
