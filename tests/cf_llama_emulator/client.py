"""A client that speaks plain HTTP to an emulator, and the bodies it sends."""

import json
import socket

import httpx

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"

_ADDRESS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
ORDINARY_PROPERTIES = [
    {"type": "string"},
    {"description": "any value"},
    {},
    {"type": ["string", "null"], "description": "d"},
    {"enum": ["red", "blue"], "description": "d"},
    {"const": 7, "description": "d"},
    {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None, "title": "A"},
    {"$ref": "#/$defs/Address"},
    {"type": "array", "items": {"$ref": "#/$defs/Address"}},
    {"type": "object", "properties": {"deep": {"anyOf": [{"$ref": "#/$defs/Address"}, {"type": "string"}]}}},
]
ORDINARY_TOOLS = [
    {"name": "f"},
    {"name": "f", "parameters": {"type": "object", "properties": {}}},
    {"name": "f", "description": "d"},
    {"name": "f", "description": "d", "parameters": {}},
    {"name": "f", "description": "d", "parameters": {"type": "object"}},
    *(
        {
            "name": "f",
            "description": "d",
            "parameters": {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": {"a": schema},
                "required": ["a"],
                "additionalProperties": False,
                "$defs": {"Address": _ADDRESS},
            },
        }
        for schema in ORDINARY_PROPERTIES
    ),
]
"""What public clients send and the letter of the page's schema refuses."""


class Client:
    """Plain httpx against one emulator."""

    def __init__(self, emulator):
        self.emulator = emulator
        self.account = f"{emulator.base_url}/accounts/{emulator.account_id}"
        self.http = httpx.Client(headers={"authorization": f"Bearer {emulator.api_token}"}, timeout=10)

    def run(self, body, *, model=MODEL, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post(f"{self.account}/ai/run/{model}", json=body, headers=headers)

    def v1(self, body, **headers):
        return self.http.post(f"{self.account}/ai/v1/chat/completions", json={"model": MODEL} | body, headers=headers)

    def result(self, body, **headers):
        answer = self.run(body, **headers)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    def events(self, body, **headers):
        answer = self.run(body | {"stream": True}, **headers)
        assert answer.headers["content-type"].startswith("text/event-stream"), answer.text
        return events_of(answer.text)


def hang_up_in_a_stream(emulator, text="Hello"):
    """Ask for a long answer and close the connection on its beginning."""
    url = httpx.URL(f"{emulator.base_url}/accounts/{emulator.account_id}/ai/run/{MODEL}")
    body = json.dumps(ask_user(text, stream=True, max_tokens=10_000)).encode()
    head = f"POST {url.path} HTTP/1.1\r\nHost: {url.host}\r\nAuthorization: Bearer {emulator.api_token}\r\n"
    with socket.create_connection((url.host, url.port), timeout=10) as line:
        line.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert line.recv(100).startswith(b"HTTP/1.1 200")


def events_of(text):
    """Return the payloads of a stream that ends as it should."""
    *payloads, done = [part.removeprefix("data: ") for part in text.split("\n\n") if part]
    assert done == "[DONE]"
    return [json.loads(payload) for payload in payloads]


def ask_user(text, **body):
    return {"messages": [{"role": "user", "content": text}], **body}


def tool(name, description="a tool", /, **properties):
    """Return a tool as it goes over the wire; each property is given by its type, or by its whole schema."""
    described = {
        key: {"description": key} | ({"type": value} if isinstance(value, str) else value)
        for key, value in properties.items()
    }
    parameters = {"type": "object", "properties": described, "required": list(properties)}
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}
