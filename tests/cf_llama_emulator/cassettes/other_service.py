"""A server of the service's contract that shares no code with the emulator: odd chunks, quirks, gzip and refusals."""

import gzip
import json
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field

ACCOUNT, TOKEN = "00112233445566778899aabbccddeeff", "cfut_Zx81-secret-token"
RAY = "9a8b7c6d5e4f3a2b-AMS"
COOKIE = "bm-cookie-of-the-edge"


@dataclass
class Answer:
    """What goes out for one request: a head, and a body in these chunks."""

    chunks: list[bytes]
    status: str = "200 OK"
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    breaks: bool = False


@dataclass
class OtherService:
    """Answers each request with what `answer` returns for its path and body; over raw sockets, a thread each."""

    answer: callable
    requests: list = field(default_factory=list)

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.close()

    @property
    def base_url(self):
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/client/v4"

    def _accept(self):
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line):
        with suppress(OSError), line, line.makefile("rb") as file:  # the client may hang up
            head = b"".join(iter(file.readline, b"\r\n")).decode()
            if not head:
                return
            method, path, _ = head.split("\r\n", 1)[0].split(" ")
            headers = dict(field.lower().split(": ", 1) for field in head.split("\r\n")[1:] if field)
            body = file.read(int(headers.get("content-length", 0)))
            self.requests.append((method, path, headers, body))
            self._write(line, self.answer(path, json.loads(body or b"{}")), headers)

    def _write(self, line, answer, asked):
        body = b"".join(answer.chunks)
        chunks = answer.chunks
        fields = {
            "Content-Type": answer.kind,
            "CF-RAY": RAY,
            "Set-Cookie": f"__cf_bm={COOKIE}; path=/; HttpOnly",
            "Transfer-Encoding": "chunked",
            "Connection": "close",
            **answer.headers,
        }
        if "gzip" in asked.get("accept-encoding", "") and "Content-Encoding" not in answer.headers:
            packed = gzip.compress(body)
            fields["Content-Encoding"], chunks = "gzip", [packed[at : at + 11] for at in range(0, len(packed), 11)]
        head = f"HTTP/1.1 {answer.status}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        line.sendall(head.encode() + b"\r\n")
        for chunk in chunks:
            line.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        line.sendall(b"" if answer.breaks else b"0\r\n\r\n")


EVENTS = (
    'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"response":"","p":"abc"}\n\n'
    'data: {"choices":[{"index":0,"delta":{"content":"Café "}}],"response":"Café","p":"a1"}\r\n\r\n'
    ": a comment\n\n"
    'data: {"choices":[{"index":0,"delta":{"content":"42"}}],"response":42}\n\n'
    'data:{"choices":[{"index":0,"delta":{"content":" 🙂"},"finish_reason":"stop"}],"response":" 🙂"}\n\n'
    'data: {"response":"","usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}\n\n'
    "data: [DONE]\n\n"
).encode()
TEXT = "Café 42 🙂"


def odd(body):
    """Cut a body through characters, events and line ends."""
    cuts = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144]
    chunks, at = [], 0
    for number in range(len(body)):
        if at >= len(body):
            return chunks
        chunks.append(body[at : at + cuts[number % len(cuts)]])
        at += len(chunks[-1])
    return chunks


def whole(text):
    result = {
        "response": text,
        "tool_calls": [],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }
    return json.dumps({"result": result, "success": True, "errors": [], "messages": []}, ensure_ascii=False).encode()


def answers(path, body):
    """Answer as the service does; it repeats its secrets when it is asked to."""
    if str(body).find("secrets") >= 0:
        told = f"AiError: {TOKEN} of {ACCOUNT}, ray {RAY}, cookie {COOKIE}, ip 203.0.113.9, path {path}"
        errors = {"errors": [{"code": 5006, "message": told}], "success": False, "result": {}, "messages": []}
        return Answer(odd(json.dumps(errors).encode()), "400 Bad Request")
    if body.get("stream"):
        return Answer(odd(EVENTS), kind="text/event-stream; charset=utf-8", headers={"cf-ai-req-id": "req-1"})
    return Answer(odd(whole(TEXT)), headers={"cf-ai-req-id": "req-2", "cf-ai-neurons": "1.98"})
