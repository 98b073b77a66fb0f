"""Every refusal of the service over HTTP, through both integrations, sync and async, whole and streamed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from langchain_core import exceptions
from llama_index.core.llms import ChatMessage

from cf_llama.protocol import errors
from cf_llama.protocol.error_responses import CODES
from cf_llama_emulator.faults.codes import AI_SERVICE, API_FRONT, GATEWAY
from cf_llama_emulator.faults.error_formats import FORMS
from cf_llama_emulator.server.threaded import serve
from langchain_cf_llama import ChatCloudflareLlama
from llama_index_cf_llama import CloudflareLlama
from tests.cf_llama.protocol.test_error_responses import TABLE
from tests.langchain_cf_llama.test_errors import MODEL_ERRORS

WHOLE, STREAMED = ["invoke", "ainvoke", "chat", "achat"], ["stream", "astream", "stream_chat", "astream_chat"]
QUOTA = "you have used up your daily free allocation of 10,000 neurons"


@pytest.fixture(scope="module")
def models():
    with serve() as emulator:
        account = {name: getattr(emulator, name) for name in ("base_url", "account_id", "api_token")}
        langchain = ChatCloudflareLlama(**account, max_retries=0)
        llama_index = CloudflareLlama(**account, max_retries=0)
        yield {way: llama_index if "chat" in way else langchain for way in [*WHOLE, *STREAMED]}


@pytest.fixture(params=[*WHOLE, *STREAMED])
def refused(request, models):
    """Return a function that is refused by these faults and returns the error, checked against its integration."""

    async def call(faults):
        way, model = request.param, models[request.param]
        question = [ChatMessage(content="Hello")] if "chat" in way else "Hello"
        with pytest.raises(errors.WorkersAIError) as caught:
            await _asked(model, way, question, default_headers={"x-emulator-faults": faults})
        ours = next(kind for kind in type(caught.value).__mro__ if kind.__module__ == errors.__name__)
        if model is models["invoke"]:
            assert isinstance(caught.value, MODEL_ERRORS[ours.__name__])
            assert isinstance(caught.value, exceptions.ModelError)
        return caught.value, ours

    return call


async def _asked(model, way, question, **settings):
    answer = getattr(model, way)(question, **settings)
    if way in {"ainvoke", "achat", "astream_chat"}:
        answer = await answer
    if way in {"astream", "astream_chat"}:
        return [item async for item in answer]
    return list(answer) if way in STREAMED else answer


@pytest.mark.parametrize("code", TABLE)
async def test_every_code(refused, code):
    status, kind, retryable = TABLE[code]
    if code == 3030:  # a catch-all that the emulator uses for an outage
        kind, retryable = errors.ServiceError, True
    error, raised = await refused(f"error={code}, status={status}")
    assert (raised, error.is_retryable, error.code, error.status) == (kind, retryable, code, status)
    assert error.ray_id
    assert (AI_SERVICE | API_FRONT | GATEWAY)[code][1].removeprefix("Bad input: Error: ") in error.message


def test_the_emulator_knows_every_code():
    assert AI_SERVICE.keys() | API_FRONT.keys() | GATEWAY.keys() == TABLE.keys()


@pytest.mark.parametrize(
    ("faults", "kind", "retryable", "code"),
    [
        ("error=10000, status=403", errors.PermissionDeniedError, False, 10000),
        ("error=3043, status", errors.ServiceError, True, 3043),
        ("quota-spent, status", errors.QuotaExceededError, False, 4006),
        ("error=12345", errors.InvalidRequestError, False, 12345),
        ("error=12345, status=503", errors.ServiceError, True, 12345),
        ("error=12345, status=429", errors.RateLimitError, True, 12345),
        ("edge-limited", errors.RateLimitError, True, None),
        *((f"page={status}", errors.ServiceError, True, None) for status in (500, 502, 503, *range(520, 528), 530)),
        ("page=504", errors.RequestTimeoutError, True, None),
        ("page=403", errors.PermissionDeniedError, False, None),
    ],
)
async def test_statuses_and_pages(refused, faults, kind, retryable, code):
    error, raised = await refused(faults)
    assert (raised, error.is_retryable, error.code) == (kind, retryable, code)


@pytest.mark.parametrize("form", FORMS)
async def test_every_form(refused, form):
    error, raised = await refused(f"capacity, form={form}, retry-after=7")
    names_code = form not in {"upstream", "markdown", "text", "html", "empty"}
    assert raised is (errors.CapacityError if names_code else errors.RateLimitError)
    assert (error.is_retryable, error.status, error.retry_after) == (True, 429, 7)


@pytest.mark.parametrize("faults", ["split=5, jitter=0.001", "gzip", "drip=0.0001", "content-type=text/event-stream"])
async def test_a_refusal_however_it_comes(refused, faults):
    error, raised = await refused(f"error=3050, {faults}")
    assert (raised, error.code, error.status) == (errors.ServiceError, 3050, 503)
    assert error.message == AI_SERVICE[3050][1]


@pytest.mark.parametrize("faults", ["cut=byte@1", "reset=start", "truncate=start"])
async def test_a_refusal_that_breaks_off_is_judged_by_its_status(refused, faults):
    error, raised = await refused(f"capacity, {faults}")
    assert (raised, error.is_retryable, error.status) == (errors.RateLimitError, True, 429)


def test_every_code_is_on_the_page_of_errors():
    page = (Path(__file__).parents[1] / "docs" / "errors.md").read_text("utf-8")
    told = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", page, re.MULTILINE) for code in row.split(",")}
    assert told >= CODES.keys()
