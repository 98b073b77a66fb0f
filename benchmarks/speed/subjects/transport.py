"""Our transport without a framework."""

from __future__ import annotations

from pydantic import SecretStr

from benchmarks.speed.service import ACCOUNT_ID, TOKEN, Service
from benchmarks.speed.subjects.base import AAsk, Ask, AStream, Stream, Subject, definitions
from benchmarks.speed.task import Task
from cf_llama.config.connection import Connection
from cf_llama.protocol.request import ChatRequest
from cf_llama.transport.http import clients
from cf_llama.transport.transport import Transport


class OurTransport(Subject):
    """What our own part costs."""

    name = "ours, bare"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        connection = Connection(base_url=service.base_url, account_id=ACCOUNT_ID, api_token=SecretStr(TOKEN))
        self._transport = Transport(connection)

    def asks(self, task: Task) -> Ask:
        """Prepare a question whose answer comes whole."""
        messages, tools = task.messages, definitions(task)
        return lambda: self._transport.run(ChatRequest(messages=messages, tools=tools))

    def aasks(self, task: Task) -> AAsk:
        """Prepare a question whose answer comes whole."""
        messages, tools = task.messages, definitions(task)
        return lambda: self._transport.arun(ChatRequest(messages=messages, tools=tools))

    def streams(self, task: Task) -> Stream:
        """Prepare a question whose answer comes in pieces."""
        messages, tools = task.messages, definitions(task)
        return lambda: self._transport.stream(ChatRequest(messages=messages, tools=tools))

    def astreams(self, task: Task) -> AStream:
        """Prepare a question whose answer comes in pieces."""
        messages, tools = task.messages, definitions(task)
        return lambda: self._transport.astream(ChatRequest(messages=messages, tools=tools))

    def close(self) -> None:
        """Close the connections."""
        clients.close()
