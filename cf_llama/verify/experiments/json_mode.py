"""Statements about answers in JSON."""

from __future__ import annotations

from collections.abc import Sequence

from cf_llama.verify.answer import Answer
from cf_llama.verify.experiment import Experiment, NotTestable, accepting, ask, refusing
from cf_llama.verify.experiments.whole_answers import neurons_factor, payload

_ASKED = "Lyon is a city in France. Give the city as JSON with the key city."
_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_BARE = {"type": "json_schema", "json_schema": _SCHEMA}
_WRAPPED = {"type": "json_schema", "json_schema": {"name": "city", "schema": _SCHEMA}}

BY_SCHEMA = ask(_ASKED, response_format=_BARE)


def _kind(answers: Sequence[Answer]) -> str:
    found = payload(answers[0])
    if "response" not in found:
        raise NotTestable("the answer has no response")
    response = found["response"]
    if isinstance(response, dict):
        return "an object"
    return "a text" if response and isinstance(response, str) else "another value" if response else "nothing"


JSON_MODE = (
    Experiment(
        name="json-schema",
        statement="An answer by a JSON schema arrives in response as an object.",
        section="4 #11",
        requests=(BY_SCHEMA,),
        expected="an object",
        observe=_kind,
        switches={"a text": "tokens=text", "nothing": "nothing"},
    ),
    Experiment(
        name="json-object",
        statement="An answer with json_object arrives in response as an object.",
        section="4",
        requests=(ask(_ASKED, response_format={"type": "json_object"}),),
        expected="an object",
        observe=_kind,
        switches={"a text": "tokens=text", "nothing": "nothing"},
    ),
    accepting(
        "json-schema-wrapper",
        "OpenAI's wrapper around a JSON schema is taken too.",
        "4 #11",
        ask(_ASKED, response_format=_WRAPPED),
        switches={"refused with 5006": "bare-schema"},
    ),
    refusing(
        "json-stream",
        "A stream by a JSON schema is refused.",
        "4 #10",
        ask(_ASKED, response_format=_BARE, stream=True),
        5023,
        switches={"answered": "json-streams"},
    ),
    Experiment(
        name="json-neurons",
        statement="An answer by a JSON schema costs the usual neurons.",
        section="4 #12",
        requests=(BY_SCHEMA,),
        expected="1 x the formula",
        observe=lambda answers: neurons_factor(answers[0]),
        switches={r"([\d.]+) x the formula": r"neurons=\1"},
    ),
)
