"""A client that answers every request with one call of a tool, whose arguments are written as a test has it."""

from __future__ import annotations

import json

import httpx

SHAPES = ["native", "openai", "hybrid"]


class Answering:
    """`arguments` is JSON text: the value of a native call, the string of OpenAI's form."""

    def __init__(self, shape):
        self.shape = shape
        self.arguments = "{}"
        self.bodies = []
        transport = httpx.MockTransport(self._answer)
        self.clients = {
            "http_client": httpx.Client(transport=transport),
            "http_async_client": httpx.AsyncClient(transport=transport),
        }

    @property
    def parameters(self):
        return self.bodies[-1]["tools"][0]["function"]["parameters"]

    def _answer(self, request):
        body = json.loads(request.content)
        self.bodies.append(body)
        name = body["tools"][0]["function"]["name"]
        native = f'"response": "", "tool_calls": [{{"name": "{name}", "arguments": {self.arguments}}}]'
        function = json.dumps({"name": name, "arguments": self.arguments})
        said = "delta" if body.get("stream") else "message"
        choices = f'"choices": [{{"index": 0, "{said}": {{"tool_calls": [{{"index": 0, "function": {function}}}]}}}}]'
        answer = "{" + {"native": native, "openai": choices, "hybrid": f"{choices}, {native}"}[self.shape] + "}"
        if body.get("stream"):
            return httpx.Response(
                200, headers={"content-type": "text/event-stream"}, text=f"data: {answer}\n\ndata: [DONE]\n\n"
            )
        return httpx.Response(
            200, headers={"content-type": "application/json"}, text=f'{{"result": {answer}, "success": true}}'
        )
