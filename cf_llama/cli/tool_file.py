"""Tools from a Python file: each public function with type hints and a docstring is one."""

from __future__ import annotations

import asyncio
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, cast, get_type_hints

import click
import pydantic_core
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ArgsKwargs

from cf_llama.protocol.reply import ToolCall


class ToolResult(NamedTuple):
    """The result of a call, as the model sees it."""

    content: str
    failed: bool


class Tool:
    """A function that the model may call.

    Args:
        function: The function; its arguments are validated by its type hints.

    Raises:
        ValueError: it cannot be a tool; the message says why.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name = function.__name__
        description = inspect.getdoc(function)
        if not description:
            raise ValueError("it has no docstring")
        untyped = [
            name
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.annotation is parameter.empty
        ]
        if untyped:
            raise ValueError(f"it has no type hint for {', '.join(untyped)}")
        try:
            # pydantic 2.11 does not find the names of the function's module
            function.__annotations__ = get_type_hints(function, include_extras=True)
            self._adapter: TypeAdapter[Any] = TypeAdapter(cast("Any", function))
            parameters = self._adapter.json_schema()
        except Exception as error:  # noqa: BLE001 - type hints may be anything
            raise ValueError(f"its type hints have no JSON schema: {error}") from None
        if parameters.get("type") != "object":
            raise ValueError("it must take its arguments by name")
        self.definition = {"name": self.name, "description": description, "parameters": parameters}
        """As in `ChatRequest.tools`."""
        self.summary = description.splitlines()[0]

    def run(self, arguments: Mapping[str, Any]) -> ToolResult:
        """Call the function; what it raises is the result."""
        try:
            value = self._adapter.validate_python(ArgsKwargs((), dict(arguments)))
            if inspect.iscoroutine(value):
                value = asyncio.run(value)
        except ValidationError as error:
            reasons = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            return ToolResult(f"Error: {'; '.join(reasons)}", failed=True)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the model sees it
            return ToolResult(f"Error: {type(error).__name__}: {error}", failed=True)
        return ToolResult(_as_text(value), failed=False)


class Tools(dict[str, Tool]):
    """The tools of a file by name."""

    def run(self, call: ToolCall) -> ToolResult:
        """Run a call of the model; what is wrong with the call is the result."""
        if call.error:
            return ToolResult(f"Error: {call.error}", failed=True)
        if call.name not in self:
            return ToolResult(f"Error: there is no tool {call.name}; there are {', '.join(self)}", failed=True)
        return self[call.name].run(call.arguments)


def load(path: Path) -> Tools:
    """Import a file and return its tools; functions that cannot be one are named on the standard error.

    Raises:
        ClickException: the file cannot be imported, or has no tool.
    """
    tools, module = Tools(), _import(path)
    for function in _public_functions(module):
        try:
            tools[function.__name__] = Tool(function)
        except ValueError as error:
            click.echo(f"Warning: {path.name}: {function.__name__} is no tool: {error}", err=True)
    if not tools:
        raise click.ClickException(f"{path} has no public function with type hints and a docstring")
    return tools


def _public_functions(module: ModuleType) -> Iterator[Callable[..., Any]]:
    for name, value in vars(module).items():
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_"):
            yield value


def _import(path: Path) -> ModuleType:
    name = f"cf_llama_tools_{path.stem}"  # a file may be called as a module of Python's own
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise click.ClickException(f"{path} is no Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module  # type hints are looked up there
    sys.path.insert(0, str(path.parent.resolve()))  # as of a program that is run
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is the user's own code
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(path)]
        where = f"{path}, line {lines[-1]}" if lines else str(path)
        raise click.ClickException(f"{where}: {type(error).__name__}: {error}") from None
    return module


def _as_text(value: Any) -> str:
    """A result as the model reads it: text as it is, all else as JSON."""
    if isinstance(value, str):
        return value
    return pydantic_core.to_json(value, fallback=str, inf_nan_mode="strings").decode()
