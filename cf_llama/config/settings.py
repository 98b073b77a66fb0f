"""All settings, declared once: the classes of both frameworks inherit the fields, ranges and descriptions.

`Settings` is plain data. It holds no client, so it pickles, copies and compares; `connection` and `request_fields`
say what one call needs of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from functools import partial
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, Unpack

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from cf_llama.config.budget import Budget
from cf_llama.config.connection import (
    Connection,
    Timeouts,
    check_base_url,
    check_header,
    check_headers,
    check_model,
)
from cf_llama.config.credentials import (
    account_from_environment,
    base_url_from_environment,
    check_account_id,
    check_token,
    token_from_environment,
    unwrap_secret,
)
from cf_llama.config.gateway import Gateway
from cf_llama.config.rate_limit import RateLimit
from cf_llama.config.setting_names import unknown_setting
from cf_llama.protocol import model as facts
from cf_llama.protocol.errors import InvalidRequestError
from cf_llama.protocol.request import RESERVED_FIELDS

if TYPE_CHECKING:
    from cf_llama.config.setting_options import SettingsOptions


def _ranged(name: str, text: str, default: Any = None) -> Any:
    bounds = facts.RANGES[name]
    return Field(default=default, description=f"{text} From {bounds.low:,} to {bounds.high:,}.")


class Settings(BaseModel):
    """Settings of a call; every field can also be passed per call.

    Ranges and meanings are those of the model's page in the Workers AI catalogue. None means the default, so that
    `base_url=os.getenv("X")` works whether or not X is set. Unknown names are refused.
    """

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        protected_namespaces=(),
        arbitrary_types_allowed=True,  # the user's own HTTP clients
        hide_input_in_errors=True,  # a rejected value may be a token in the wrong place
    )

    model: str = Field(default=facts.MODEL, description="The model's id on Workers AI.")
    account_id: Annotated[str, AfterValidator(check_account_id)] | None = Field(
        default_factory=account_from_environment,
        exclude=True,
        repr=False,
        description="Cloudflare account id, 32 hexadecimal digits.",
    )
    api_token: SecretStr | Callable[[], str] | None = Field(
        default_factory=token_from_environment,
        exclude=True,
        repr=False,
        validation_alias=AliasChoices("api_token", "api_key"),
        description="API token with the permission Workers AI (read and edit), or a function that gives it for a call.",
    )
    base_url: str = Field(default_factory=base_url_from_environment, description="Ends in /client/v4.")
    allow_insecure_base_url: bool = Field(
        default=False, description="Send the token over plain http to another host than this machine."
    )
    timeout: Timeouts = Field(default_factory=Timeouts, description="Seconds: one number, or Timeouts(...).")
    max_retries: int = Field(default=2, ge=0, le=20, description="Further attempts after the first.")
    max_connections: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="Connections in use at once, shared by models of the same number; further calls wait in turn.",
    )
    rate_limit: RateLimit | Literal[False] | None = Field(
        default=None,
        description="The account's limit, if you know it: requests a minute, or RateLimit(requests, seconds). None "
        "learns it from the first refusal. Calls beyond it wait in the order of asking; False sends them all the same.",
    )
    rate_limit_wait: float | None = Field(
        default=None,
        gt=0,
        description="Seconds that a call waits for a place under the limit. None: as long as calls are let through, "
        "and two minutes more.",
    )
    budget: Budget | None = Field(
        default=None, exclude=True, repr=False, description="What calls may cost; what would exceed it is not sent."
    )

    max_tokens: int = _ranged("max_tokens", "Longest answer, in tokens.", facts.DEFAULT_MAX_TOKENS)
    temperature: float | None = _ranged("temperature", "Randomness; the service's default is 0.6.")
    top_p: float | None = _ranged("top_p", "Nucleus sampling.")
    top_k: int | None = _ranged("top_k", "Choose among the k likeliest tokens.")
    seed: int | None = _ranged("seed", "For answers that repeat.")
    repetition_penalty: float | None = _ranged("repetition_penalty", "Against repeated tokens.")
    frequency_penalty: float | None = _ranged("frequency_penalty", "Against frequent tokens.")
    presence_penalty: float | None = _ranged("presence_penalty", "Towards new topics.")
    lora: str | None = Field(default=None, min_length=1, description="Name or id of a fine-tune.")
    stop: tuple[str, ...] = Field(
        default=(), description="Texts at which the answer ends; cut off here, as the service knows no such parameter."
    )

    extra_body: Mapping[str, Any] = Field(
        default_factory=dict, description="Fields of the body that have no setting; added to it as they are."
    )
    session_id: Annotated[str, AfterValidator(partial(check_header, "session_id"))] | None = Field(
        default=None, description="Sent as x-session-affinity, for the prefix cache."
    )
    gateway: Gateway | None = Field(default=None, description="AI Gateway: its id, or Gateway(...) with its settings.")
    reject_if_busy: bool = Field(default=False, description="Fail at once (3040) instead of waiting for capacity.")
    default_headers: Mapping[str, str] = Field(
        default_factory=dict, exclude=True, repr=False, description="Sent with every request."
    )
    http_client: Any = Field(default=None, exclude=True, repr=False, description="Your own httpx or httpx2 Client.")
    http_async_client: Any = Field(default=None, exclude=True, repr=False, description="Your own AsyncClient.")
    binding: Any = Field(
        default=None,
        exclude=True,
        repr=False,
        description="The AI binding of a Worker, `env.AI`, to call instead of HTTP; for async methods only.",
    )

    if TYPE_CHECKING:

        def __init__(self, **options: Unpack[SettingsOptions]) -> None: ...

    @model_validator(mode="wrap")
    @classmethod
    def _hide_values(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Remove input values from validation errors: they may be a token in the wrong field."""
        try:
            return handler(_without_none(values, cls.model_fields) if isinstance(values, Mapping) else values)
        except ValidationError as error:
            hidden = [_without_input(each, cls.model_fields) for each in error.errors(include_url=False)]
            raise ValidationError.from_exception_data(error.title, hidden, hide_input=True) from None

    _check_model = field_validator("model")(check_model)
    _check_base_url = field_validator("base_url")(check_base_url)

    @field_validator("account_id", "default_headers", mode="before")
    @classmethod
    def _unwrap(cls, value: Any) -> Any:
        return unwrap_secret(value)

    @field_validator("api_token", mode="before")
    @classmethod
    def _text_or_function(cls, value: Any) -> Any:
        token = unwrap_secret(value)
        if not (token is None or isinstance(token, str | bytes) or callable(token)) or iscoroutinefunction(token):
            raise ValueError("must be a text, or a function that gives one and is not async")
        return token

    @field_validator("api_token")
    @classmethod
    def _check_token(cls, value: SecretStr | Callable[[], str] | None) -> SecretStr | Callable[[], str] | None:
        return SecretStr(check_token(value.get_secret_value())) if isinstance(value, SecretStr) else value

    @field_validator("extra_body")
    @classmethod
    def _check_extra_body(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        if owned := sorted(RESERVED_FIELDS & value.keys()):
            raise ValueError(f"extra_body must not hold {', '.join(owned)}: give it by its own name")
        return value

    @field_validator("gateway", mode="before")
    @classmethod
    def _one_id(cls, value: Any) -> Any:
        return {"id": value} if isinstance(value, str) else value

    @field_validator(*facts.RANGES)
    @classmethod
    def _check_range(cls, value: float | None, info: ValidationInfo) -> float | None:
        bounds = facts.RANGES[str(info.field_name)]
        if value is None or bounds.low <= value <= bounds.high:
            return value
        raise ValueError(f"must be from {bounds.low:,} to {bounds.high:,}")

    @field_validator("http_client", "http_async_client")
    @classmethod
    def _check_client(cls, value: Any, info: ValidationInfo) -> Any:
        kind = "Client" if info.field_name == "http_client" else "AsyncClient"
        if value is None or any(base.__name__ == kind for base in type(value).__mro__):  # httpx's and httpx2's alike
            return value
        raise ValueError(  # not TypeError: pydantic would let it through without the field
            f"{info.field_name} must be an httpx.{kind} or httpx2.{kind}, not {type(value).__name__}"
        )

    @field_validator("binding")
    @classmethod
    def _check_binding(cls, value: Any) -> Any:
        if value is None or callable(getattr(value, "run", None)):
            return value
        raise ValueError(f"binding must be a Worker's AI binding, as env.AI, not {type(value).__name__}")

    _check_default_headers = field_validator("default_headers")(check_headers)

    @field_validator("timeout", mode="before")
    @classmethod
    def _one_number(cls, value: Any) -> Any:
        if not isinstance(value, int | float | Mapping | Timeouts):
            raise ValueError(f"timeout must be a number of seconds or Timeouts(...), not {type(value).__name__}")  # noqa: TRY004 - as above
        return {"read": value, "stall": value} if isinstance(value, int | float) else value

    @field_validator("rate_limit", mode="before")
    @classmethod
    def _one_limit(cls, value: Any) -> Any:
        if value is True:
            raise ValueError("rate_limit must be requests a minute, RateLimit(requests, seconds), None or False")
        return {"requests": value} if isinstance(value, int | float) and value is not False else value

    @field_validator("stop", mode="before")
    @classmethod
    def _one_stop(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("stop")
    @classmethod
    def _no_empty_stop(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(text for text in value if text)

    def __getstate__(self) -> dict[Any, Any]:
        """State of a pickle, without the user's own clients, binding and budget, which cannot be pickled.

        Account and token are in it only if they were passed; those of the environment are read there again.
        """
        travelling = copy(self)  # LlamaIndex removes from the object itself what it cannot pickle
        travelling.__dict__.update(dict.fromkeys((*_OWN, "budget")))
        state = super(Settings, travelling).__getstate__()
        fields = {name: value for name, value in state["__dict__"].items() if name not in _OF_THE_ENVIRONMENT}
        passed = {name: getattr(self, name) for name in _OF_THE_ENVIRONMENT if name in self.model_fields_set}
        return {**state, "__dict__": fields | passed}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Restore a pickle, with the environment's account and token if it holds none."""
        read = {name: factory() for name, factory in _OF_THE_ENVIRONMENT.items()}
        super().__setstate__({**state, "__dict__": read | state["__dict__"]})
        # LlamaIndex restores by the constructor, as if all had been passed
        object.__setattr__(self, "__pydantic_fields_set__", state["__pydantic_fields_set__"])

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """A deep copy that shares the user's own clients and binding."""
        memo = {} if memo is None else memo
        memo |= {id(shared): shared for name in _OWN if (shared := getattr(self, name)) is not None}
        return super().__deepcopy__(memo)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with changed fields, validated as in the constructor.

        Raises:
            ValueError: a name is unknown or a value is not allowed; pydantic's ValidationError is one.
        """
        fields = type(self).model_fields
        if unknown := sorted((update or {}).keys() - fields.keys()):
            raise ValueError("; ".join(unknown_setting(name, fields) for name in unknown))
        changes = {name: value for name, value in (update or {}).items() if not _is_unset(name, value)}
        checked = {name: _checked(name, value) for name, value in changes.items()}
        return super().model_copy(update=checked, deep=deep)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field, validated as in the constructor."""
        super().__setattr__(name, _checked(name, value))

    def for_call(self, overrides: Mapping[str, Any]) -> Settings:
        """These settings with changes for one call.

        Raises:
            InvalidRequestError: a name is unknown or a value is not allowed; the message names both.
        """
        names = {_ALIASES.get(name, name): value for name, value in overrides.items()}
        if unknown := sorted(names.keys() - Settings.model_fields.keys()):
            raise InvalidRequestError("; ".join(unknown_setting(name, Settings.model_fields) for name in unknown))
        call = Settings.model_construct(**{name: getattr(self, name) for name in Settings.model_fields})
        for name, value in names.items():
            if _is_unset(name, value):
                continue
            try:
                setattr(call, name, value)
            except ValidationError as error:
                raise InvalidRequestError(_describe(error)) from None
        return call

    def connection(self, user_agent: str = "cf_llama") -> Connection:
        """The connection of a call.

        Raises:
            MissingCredentialsError: no account or token was given, nor found in the environment.
            InvalidRequestError: one of them is malformed, or the token would travel in the clear.
        """
        headers = dict(self.default_headers)
        if self.session_id:
            headers["x-session-affinity"] = self.session_id
        has_binding = self.binding is not None
        if self.gateway and not has_binding:
            headers |= self.gateway.headers()
        return Connection(
            base_url=self.base_url,
            account_id=self.account_id,
            api_token=_token(self.api_token),
            allow_insecure_base_url=self.allow_insecure_base_url,
            timeouts=self.timeout,
            max_retries=self.max_retries,
            max_connections=self.max_connections,
            rate_limit=self.rate_limit,
            rate_limit_wait=self.rate_limit_wait,
            budget=self.budget,
            headers=headers,
            gateway=self.gateway if self.gateway and (self.gateway.legacy_host or has_binding) else None,
            binding=self.binding,
            user_agent=user_agent,
        )

    def request_fields(self) -> dict[str, Any]:
        """The settings that are fields of a `ChatRequest`."""
        return {name: getattr(self, name) for name in REQUEST_FIELDS}


REQUEST_FIELDS = ("model", *facts.RANGES, "lora", "stop", "reject_if_busy", "extra_body")
"""Settings that are part of the request body, on which the answer depends."""

_OF_THE_ENVIRONMENT = {"account_id": account_from_environment, "api_token": token_from_environment}
_OWN = ("http_client", "http_async_client", "binding")
"""Settings that hold an object of the user's own, which cannot be copied."""
_ALIASES = {"api_key": "api_token"}
_NEVER_NONE = frozenset(
    name for name, field in Settings.model_fields.items() if field.get_default(call_default_factory=False) is not None
) | {"base_url", "timeout", "default_headers", "extra_body"}
"""Settings that always have a value: None leaves them unchanged."""


def _is_unset(name: str, value: Any) -> bool:
    return value is None and name in _NEVER_NONE


def _without_none(options: Mapping[str, Any], fields: Mapping[str, FieldInfo]) -> dict[str, Any]:
    """Drop None where it means the default: of settings, and of a framework's fields that have one.

    Raises:
        ValueError: the token is passed under both of its names.
    """
    names = {*Settings.model_fields, *_ALIASES}
    names |= {name for name, field in fields.items() if not field.is_required() and field.default is not None}
    chosen = {name: value for name, value in options.items() if value is not None or name not in names}
    for alias, name in _ALIASES.items():
        if alias in chosen and name in chosen:
            raise ValueError(f"{name} and {alias} are two names of one setting; give one of them")
    return chosen


def _checked(name: str, value: Any) -> Any:
    """Validate a value; None means the default. Fields of a framework are validated by the framework."""
    if name not in Settings.model_fields:
        return value
    if _is_unset(name, value):
        return Settings.model_fields[name].get_default(call_default_factory=True)
    scratch = Settings.model_construct()
    Settings.__pydantic_validator__.validate_assignment(scratch, name, value)
    return scratch.__dict__[name]


def _token(setting: SecretStr | Callable[[], str] | None) -> SecretStr | None:
    """The token for one call.

    Raises:
        InvalidRequestError: a function gives something else.
    """
    if setting is None or isinstance(setting, SecretStr):
        return setting
    token = setting()
    if not isinstance(token, str):
        raise InvalidRequestError(f"api_token: the function must return a str, not {type(token).__name__}")
    return SecretStr(token)


def _describe(error: ValidationError) -> str:
    """Describe each validation error with its field and without the value, which may be a secret."""
    return "; ".join(
        _named(".".join(map(str, finding["loc"])), finding["msg"].removeprefix("Value error, "))
        for finding in error.errors(include_input=False)
    )


def _named(name: str, message: str) -> str:
    return message if message.startswith(f"{name} ") else f"{name}: {message}"


def _without_input(error: ErrorDetails, known: Iterable[str]) -> InitErrorDetails:
    """A validation error without the input; for an unknown name, with a suggestion."""
    message = unknown_setting(str(error["loc"][-1]), known) if error["type"] == "extra_forbidden" else error["msg"]
    return InitErrorDetails(
        type=PydanticCustomError(error["type"], _choices(message)), loc=error["loc"], input="hidden"
    )


def _choices(message: str) -> Any:
    return message.replace("{", "(").replace("}", ")")  # pydantic fills in what stands in braces
