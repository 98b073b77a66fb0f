"""Every code of the service."""

import pytest

from cf_llama_emulator.faults.codes import AI_SERVICE, API_FRONT, GATEWAY, error_of
from cf_llama_emulator.wire.errors import FrontError, ServiceError


@pytest.mark.parametrize("code", [*AI_SERVICE, *GATEWAY])
def test_codes_of_the_service_and_the_gateway(code):
    error = error_of(code)
    assert type(error) is ServiceError
    assert (error.status, error.text) == (AI_SERVICE | GATEWAY)[code]


@pytest.mark.parametrize("code", API_FRONT)
def test_codes_of_the_api_front_come_without_a_request_id(code):
    error = error_of(code)
    assert type(error) is FrontError
    assert error.body("id") == {
        "result": None,
        "success": False,
        "errors": [{"code": code, "message": API_FRONT[code][1]}],
        "messages": [],
    }
