"""Calls that fail in each way, under sentry-sdk as it comes, capture_locals and rich; prints what each would show.

The server repeats the token and the account in each failure that it reports.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import sentry_sdk
from llama_index.core.llms import ChatMessage
from rich.console import Console
from rich.traceback import Traceback

from cf_llama import ChatRequest, Settings, Transport, WorkersAIError
from langchain_cf_llama import ChatCloudflareLlama, CloudflareLlamaLLM
from llama_index_cf_llama import CloudflareLlama

ACCOUNT, TOKEN, MARK = "fedcba9876543210fedcba9876543210", "a-token-that-nobody-may-see", "what-the-server-said"
ECHO = f"{MARK} {TOKEN} {ACCOUNT}"
TEXT = "what-the-model-said"
DELTA = b"data: " + json.dumps({"response": TEXT}).encode() + b"\n\n"
REFUSAL = json.dumps({"success": False, "errors": [{"code": 10000, "message": ECHO}], "result": None}).encode()
ANSWERS = {  # status, content type, pieces; None keeps the connection open in silence
    "refusal": (401, "application/json", [REFUSAL]),
    "page": (522, "text/html", [f"<title>{ECHO}</title>".encode()]),
    "garbage": (200, "application/json", [ECHO.encode()]),
    "error event": (200, "text/event-stream", [DELTA, b"data: " + REFUSAL + b"\n\n"]),
    "broken stream": (200, "text/event-stream", [DELTA]),
    "silence": (200, "text/event-stream", [DELTA, None]),
}


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        status, kind, pieces = ANSWERS[self.headers["x-answer"]]
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("connection", "close")
        self.end_headers()
        for piece in pieces:
            if piece is None:
                time.sleep(0.5)
            else:
                self.wfile.write(piece)
        self.close_connection = True

    def log_message(self, *_):
        """Say nothing."""


async def collected(pieces):
    return [piece async for piece in pieces]


def calls(made):
    """Every way of calling, by name; a coroutine is to be run."""
    transport, request = (
        Transport(Settings(**made).connection()),
        ChatRequest(messages=[{"role": "user", "content": "Hi"}]),
    )
    chat, llm, index = ChatCloudflareLlama(**made), CloudflareLlamaLLM(**made), CloudflareLlama(**made)
    hi = [ChatMessage(content="Hi")]
    yield "transport.run", lambda: transport.run(request)
    yield "transport.stream", lambda: list(transport.stream(request))
    yield "transport.arun", lambda: asyncio.run(transport.arun(request))
    yield "transport.astream", lambda: asyncio.run(collected(transport.astream(request)))
    for name, model in {"chat": chat, "llm": llm}.items():
        yield f"{name}.invoke", lambda model=model: model.invoke("Hi")
        yield f"{name}.stream", lambda model=model: list(model.stream("Hi"))
        yield f"{name}.ainvoke", lambda model=model: asyncio.run(model.ainvoke("Hi"))
        yield f"{name}.astream", lambda model=model: asyncio.run(collected(model.astream("Hi")))

    async def astream_chat():
        await collected(await index.astream_chat(hi))

    yield "llama_index.chat", lambda: index.chat(hi)
    yield "llama_index.stream_chat", lambda: list(index.stream_chat(hi))
    yield "llama_index.achat", lambda: asyncio.run(index.achat(hi))
    yield "llama_index.astream_chat", lambda: asyncio.run(astream_chat())


def locals_of(error):
    """Each frame's file, and its variables as `capture_locals` shows them, of an error and of all that led to it."""
    shown = [traceback.TracebackException.from_exception(error, capture_locals=True)]
    while shown:
        each = shown.pop()
        shown += [other for other in (each.__cause__, each.__context__) if other]
        for frame in each.stack:
            yield frame.filename, frame.locals or {}


def shown_by_rich(error):
    shown = Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True)
    Console(file=(text := io.StringIO()), width=200).print(shown)
    return text.getvalue()


def failure(call):
    """The error of a call; this frame is the first that it carries."""
    try:
        call()
    except WorkersAIError as error:
        return error
    raise AssertionError("the call did not fail")


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    events = []
    sentry_sdk.init(dsn="http://key@127.0.0.1/1", before_send=lambda event, _: events.append(event))
    for answer in ANSWERS:
        made = {
            "account_id": ACCOUNT,
            "api_token": TOKEN,
            "base_url": f"http://127.0.0.1:{server.server_port}/client/v4",
        }
        made |= {"default_headers": {"x-answer": answer}, "max_retries": 0, "timeout": 0.3}
        for name, call in calls(made):
            error = failure(call)
            sentry_sdk.capture_exception(error)
            rich = shown_by_rich(error) if answer == "error event" else ""  # it takes its time
            found = {"sentry": events.pop(), "locals": list(locals_of(error)), "rich": rich}
            sys.stdout.write(json.dumps({"answer": answer, "call": name, **found}, default=repr) + "\n")
    server.shutdown()


if __name__ == "__main__":
    main()
