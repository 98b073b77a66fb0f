from __future__ import annotations

import pickle

import httpx
import pytest
from langchain_core import exceptions
from langchain_core.callbacks import BaseCallbackHandler

from cf_llama.protocol import errors as ours
from cf_llama_emulator.wire.engine_protocol import Raw
from langchain_cf_llama import errors

MODEL_ERRORS = {
    "WorkersAIError": exceptions.ModelError,
    "InvalidRequestError": exceptions.ModelInvalidRequestError,
    "ContextOverflowError": exceptions.ContextOverflowError,
    "MissingCredentialsError": exceptions.ModelInvalidRequestError,
    "AuthenticationError": exceptions.ModelAuthenticationError,
    "PermissionDeniedError": exceptions.ModelPermissionDeniedError,
    "NotFoundError": exceptions.ModelNotFoundError,
    "RateLimitError": exceptions.ModelRateLimitError,
    "CapacityError": exceptions.ModelRateLimitError,
    "QuotaExceededError": exceptions.ModelRateLimitError,
    "ServiceError": exceptions.ModelAPIError,
    "BadResponseError": exceptions.ModelAPIError,
    "StreamInterruptedError": exceptions.ModelAPIError,
    "JSONModeError": exceptions.ModelAPIError,
    "ToolChoiceError": exceptions.ModelAPIError,
    "SubmissionInDoubtError": exceptions.ModelAPIError,
    "BudgetExceededError": exceptions.ModelError,
    "JournalError": exceptions.ModelError,
    "ConnectionFailedError": exceptions.ModelConnectionError,
    "RequestTimeoutError": exceptions.ModelTimeoutError,
}


def tree(kind: type) -> list[type]:
    return [kind, *(leaf for subclass in kind.__subclasses__() for leaf in tree(subclass))]


OURS = [kind for kind in tree(ours.WorkersAIError) if kind.__module__ == ours.__name__]


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_each_class_of_ours_is_also_the_right_model_error(kind):
    original = kind("it failed", status=418, code=1234, ray_id="r", request_id="q", retry_after=3.0)

    error = errors.to_langchain_error(original)

    assert type(error) is getattr(errors, kind.__name__)
    assert isinstance(error, (kind, MODEL_ERRORS[kind.__name__]))
    assert isinstance(error, MODEL_ERRORS[kind.__name__])
    assert error.details() == original.details()
    assert str(error) == str(original)


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_both_trees_have_the_same_branches(kind):
    parents = [getattr(errors, base.__name__) for base in kind.__mro__ if base in OURS]

    assert all(issubclass(getattr(errors, kind.__name__), parent) for parent in parents)


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_no_class_looks_like_a_bug_of_the_caller(kind):
    assert not issubclass(getattr(errors, kind.__name__), (ValueError, RuntimeError, OSError))


def test_every_model_error_of_langchain_is_raised_by_some_class():
    not_reported_by_the_service = {"ModelRefusalError"}
    raised = {base for kind in OURS for base in getattr(errors, kind.__name__).__mro__}
    known = {kind for kind in tree(exceptions.ModelError) if kind.__module__ == exceptions.__name__}

    assert {kind.__name__ for kind in known - raised} <= not_reported_by_the_service


def test_an_instance_says_whether_it_may_be_retried():
    assert errors.to_langchain_error(ours.CapacityError("busy")).is_retryable
    assert not errors.to_langchain_error(ours.QuotaExceededError("spent")).is_retryable
    assert not errors.to_langchain_error(ours.ServiceError("no", is_retryable=False)).is_retryable


def test_an_error_pickles():
    error = pickle.loads(pickle.dumps(errors.to_langchain_error(ours.RateLimitError("slow down", status=429))))

    assert type(error) is errors.RateLimitError
    assert (error.message, error.status) == ("slow down", 429)


def test_a_subclass_of_someone_else_finds_its_nearest_kin():
    class SpecialCapacityError(ours.CapacityError):
        pass

    assert type(errors.to_langchain_error(SpecialCapacityError("busy"))) is errors.CapacityError


REFUSAL = Raw(
    401, {}, [b'{"success": false, "errors": [{"code": 10000, "message": "Authentication error"}], "result": null}']
)


def chain(error: BaseException | None) -> list[BaseException]:
    return [] if error is None else [error, *chain(error.__cause__), *chain(error.__context__)]


@pytest.mark.parametrize("method", ["invoke", "stream"])
def test_a_failure_is_raised_sync_and_async_without_the_request(stage, caller, method):
    llm = stage.model(REFUSAL)

    with pytest.raises(exceptions.ModelAuthenticationError) as caught:
        getattr(caller, method)(llm, "hello")

    assert isinstance(caught.value, ours.AuthenticationError)
    assert caught.value.response.status_code == 401
    assert caught.value.code == 10000
    for error in chain(caught.value):
        assert not any(isinstance(value, httpx.Request) for value in vars(error).values())
        assert stage.emulator.api_token not in repr(vars(error)) + str(error)


class Trace(BaseCallbackHandler):
    def __init__(self) -> None:
        self.told: dict = {}

    def on_llm_error(self, error, *, response, **kwargs):
        self.told = response.generations[-1][0].message.response_metadata


@pytest.mark.parametrize("method", ["invoke", "stream"])
def test_a_trace_is_told_what_the_service_said(stage, caller, method):
    trace = Trace()

    with pytest.raises(errors.AuthenticationError):
        getattr(caller, method)(stage.model(REFUSAL), "hello", {"callbacks": [trace]})

    assert trace.told["status_code"] == 401
    assert trace.told["body"]["errors"][0]["code"] == 10000
    assert stage.emulator.api_token not in repr(trace.told)


def test_bad_input_is_refused_before_a_request(native_stage, caller):
    llm = native_stage.model()

    with pytest.raises(exceptions.ModelInvalidRequestError, match=r"temperature: .* from 0 to 5"):
        caller.invoke(llm, "hello", temperature=9)
    with pytest.raises(exceptions.ModelInvalidRequestError, match="tempreature: no such setting"):
        caller.stream(llm, "hello", tempreature=1)

    assert native_stage.bodies == []


def test_missing_credentials_are_told_at_the_first_call(monkeypatch, native_stage, caller):
    for name in (
        "CLOUDFLARE_API_TOKEN",
        "CLOUDFLARE_AUTH_TOKEN",
        "CF_AI_API_TOKEN",
        "CF_API_TOKEN",
        "CLOUDFLARE_API_KEY",
    ):
        monkeypatch.delenv(name, raising=False)
    llm = native_stage.model(api_token=None)

    with pytest.raises(errors.MissingCredentialsError, match="CLOUDFLARE_API_TOKEN"):
        caller.invoke(llm, "hello")
