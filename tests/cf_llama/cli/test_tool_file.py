"""Tools from a Python file."""

import json
import textwrap

import click
import pytest

from cf_llama import ToolCall
from cf_llama.cli import tool_file


@pytest.fixture
def load(tmp_path):
    """Return a function that loads tools from the text of a file."""

    def write_and_load(text, name="tools.py"):
        (tmp_path / name).write_text(textwrap.dedent(text), "utf-8")
        return tool_file.load(tmp_path / name)

    return write_and_load


ADD = '''
def add(first: int, second: int = 2) -> int:
    """Add two numbers."""
    return first + second
'''


def test_a_function_is_a_tool_with_its_hints_and_docstring(load):
    [tool] = load(ADD).values()
    assert (tool.name, tool.definition["description"]) == ("add", "Add two numbers.")
    parameters = tool.definition["parameters"]
    assert {name: each["type"] for name, each in parameters["properties"].items()} == {
        "first": "integer",
        "second": "integer",
    }
    assert parameters["required"] == ["first"]
    assert tool.run({"first": 1}) == ("3", False)


def test_only_public_functions_of_the_file_with_hints_and_docstring_are_tools(load, capsys):
    tools = load(
        '''
        from socket import socket
        from textwrap import dedent

        def told(a: int) -> str:
            """It has all."""
            return "yes"

        def without_docstring(a: int) -> str:
            return "no"

        def without_hint(a, b: int) -> str:
            """It has no hint."""

        def by_position(a: int, /) -> str:
            """It takes no names."""

        def unheard_of(a: socket) -> str:
            """Its hint is nothing that JSON can hold."""

        def _private(a: int) -> str:
            """It is private."""
        '''
    )
    assert list(tools) == ["told"]
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "Warning: tools.py: without_docstring is no tool: it has no docstring"
    assert said[1] == "Warning: tools.py: without_hint is no tool: it has no type hint for a"
    assert said[2] == "Warning: tools.py: by_position is no tool: it must take its arguments by name"
    assert said[3].startswith("Warning: tools.py: unheard_of is no tool: its type hints have no JSON schema: ")


def test_results_are_text_or_json(load):
    tools = load(
        '''
        import asyncio
        from dataclasses import dataclass
        from datetime import date

        @dataclass
        class Order:
            day: date
            price: float

        def text() -> str:
            """Text."""
            return 'a "quoted" word'

        async def data() -> list[Order]:
            """Data, later."""
            await asyncio.sleep(0)
            return [Order(date(2026, 11, 27), 1.5)]

        def anything() -> object:
            """What JSON has not."""
            return {"path": Exception("x"), "number": float("nan")}

        def nothing() -> None:
            """Nothing."""
        '''
    )
    assert tools["text"].run({}).content == 'a "quoted" word'
    assert json.loads(tools["data"].run({}).content) == [{"day": "2026-11-27", "price": 1.5}]
    assert json.loads(tools["anything"].run({}).content) == {"path": "x", "number": "NaN"}
    assert tools["nothing"].run({}).content == "null"


def test_arguments_are_what_the_hints_say_even_if_the_hints_are_texts(load):
    tools = load(
        '''
        from __future__ import annotations
        from datetime import date
        from pydantic import BaseModel

        class Order(BaseModel):
            number: int
            day: date

        def later(order: Order, days: int) -> date:
            """Postpone an order."""
            return order.day.replace(day=order.day.day + days)
        '''
    )
    assert tools["later"].run({"order": {"number": 1, "day": "2026-11-27"}, "days": 2}).content == '"2026-11-29"'


def test_what_goes_wrong_is_told_to_the_model(load):
    tools = load(
        '''
        import sys

        def fail(how: str) -> str:
            """Fail."""
            if how == "exit":
                sys.exit("gone")
            raise LookupError(f"no {how}")
        '''
    )
    assert tools["fail"].run({"how": "city"}) == ("Error: LookupError: no city", True)
    assert tools["fail"].run({"how": "exit"}) == ("Error: SystemExit: gone", True)
    content, failed = tools["fail"].run({"city": "Rome"})
    assert failed
    assert content.startswith("Error: how: Missing required argument; city: Unexpected")


def test_a_call_that_cannot_run_is_told_to_the_model(load):
    tools = load(ADD)
    assert tools.run(ToolCall("1", "add", {"first": 1})) == ("3", False)
    assert tools.run(ToolCall("1", "sub")) == ("Error: there is no tool sub; there are add", True)
    assert tools.run(ToolCall("1", "add", text="{", error="it is no JSON")) == ("Error: it is no JSON", True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\n1 / 0\n", r"tools\.py, line 2: ZeroDivisionError: division by zero"),
        ("def (\n", r"tools\.py: SyntaxError: .*line 1"),
        ("import nothing_of_this_name\n", "No module named 'nothing_of_this_name'"),
        ("raise SystemExit('usage')\n", r"tools\.py, line 1: SystemExit: usage"),
        ("a = 1\n", "has no public function with type hints and a docstring"),
    ],
)
def test_a_file_that_gives_no_tool_is_refused(load, text, words):
    with pytest.raises(click.ClickException, match=words):
        load(text)


def test_what_is_no_python_file_is_refused(load):
    with pytest.raises(click.ClickException, match="is no Python file"):
        load(ADD, "tools.txt")


def test_a_file_may_import_those_beside_it_and_be_called_as_a_module_of_pythons(load, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)  # what the test adds to the path is taken off again
    (tmp_path / "beside_it.py").write_text("FACTOR = 7\n")
    text = '''
    from beside_it import FACTOR

    def times(number: int) -> int:
        """Multiply."""
        return number * FACTOR
    '''
    assert load(text, "json.py")["times"].run({"number": 6}).content == "42"
    assert json.dumps(1) == "1"
