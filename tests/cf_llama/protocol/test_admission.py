"""What a schema admits, with `jsonschema` as the judge."""

from __future__ import annotations

import pytest
from hypothesis import assume, given

from cf_llama.protocol.admission import admits
from tests.schemas import SCHEMAS, VALUES, valid


def _has_whole_float(value):
    if isinstance(value, list | dict):
        return any(map(_has_whole_float, value.values() if isinstance(value, dict) else value))
    return isinstance(value, float) and value.is_integer()


@given(SCHEMAS, VALUES)
def test_admits_what_json_schema_says(schema, value):
    assume(not _has_whole_float(value))
    assert admits(schema, value, schema) == valid(schema, value)


@pytest.mark.parametrize(
    ("schema", "value", "admitted"),
    [
        ({"type": "integer"}, 4.0, False),
        ({"type": "number"}, 4, True),
        ({"type": "integer", "nullable": True}, None, True),
        ({"items": [{"type": "integer"}, {"type": "string"}]}, [1, "a"], True),
        ({"items": [{"type": "integer"}, {"type": "string"}]}, [1, 2], False),
        ({"items": [{"type": "integer"}], "additionalItems": False}, [1, 2], False),
        ({"multipleOf": 0.1}, 1e308 * 10, False),
        ({"dependencies": {"a": ["b"]}}, {"a": 1}, False),
        ({"dependencies": {"a": {"required": ["b"]}}}, {"a": 1}, False),
        ({"pattern": "(?<name>x)"}, "y", True),
        ({"minimum": "1"}, 0, True),
        ({"unknown": "1"}, 0, True),
    ],
)
def test_admits_what_the_frameworks_mean(schema, value, admitted):
    assert admits(schema, value, schema) is admitted
