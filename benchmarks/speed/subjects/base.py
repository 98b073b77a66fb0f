"""What every subject is able to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, ClassVar, TypeAlias

from pydantic import BaseModel

from benchmarks.speed.service import Service
from benchmarks.speed.task import Task

Ask: TypeAlias = Callable[[], Any]
AAsk: TypeAlias = Callable[[], Awaitable[Any]]
Stream: TypeAlias = Callable[[], Iterator[Any]]
AStream: TypeAlias = Callable[[], AsyncIterator[Any]]


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int
    cities: list[str]


class Subject:
    """One way to ask. All that a user does once is done when a method returns; what it returned is what is measured."""

    name: ClassVar[str]

    def __init__(self, service: Service) -> None:
        self.service = service

    def asks(self, task: Task) -> Ask:
        """Prepare a question whose answer comes whole."""
        raise NotImplementedError

    def aasks(self, task: Task) -> AAsk:
        """Prepare a question whose answer comes whole."""
        raise NotImplementedError

    def streams(self, task: Task) -> Stream:
        """Prepare a question whose answer comes in pieces."""
        raise NotImplementedError

    def astreams(self, task: Task) -> AStream:
        """Prepare a question whose answer comes in pieces."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the connections."""

    async def aclose(self) -> None:
        """Close the connections."""


def weather(city: str, days: int = 1, unit: str = "celsius") -> str:
    """Tell the weather in a city for some days."""
    return f"{city}: {days} days of rain, all in {unit}"


def definitions(task: Task) -> list[dict[str, Any]]:
    """The tools as the wire has them; the form is asked for by a tool of its own."""
    if task.kind == "form":
        return [_definition("Person", Person.model_json_schema())]
    properties = {
        "city": {"type": "string"},
        "days": {"type": "integer", "default": 1},
        "unit": {"type": "string", "default": "celsius"},
    }
    schema = {"type": "object", "properties": properties, "required": ["city"]}
    return [_definition(f"tool_{number}", schema) for number in range(task.tools)]


def _definition(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    function = {"name": name, "description": "Tell the weather in a city for some days.", "parameters": schema}
    return {"type": "function", "function": function}
