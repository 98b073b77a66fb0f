"""A question, the words of its answer, and how they stand on the wire."""

import json

from tests.cf_llama_emulator.client import ask_user

ASK = ask_user("Hello")
WORDS = ["One", " zwö", "lf", " drei", " vier"]
START = b'data: {"response":"","tool_calls":[]}\n\n'


def event(text):
    return b'data: {"response":%b,"tool_calls":[]}\n\n' % json.dumps(text, ensure_ascii=False).encode()


PLAIN = START + b"".join(map(event, WORDS))
