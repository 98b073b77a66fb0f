"""Runs in Pyodide: the transport over `env.AI`, by itself and as Cloudflare's SDK wraps it. Prints what it saw."""

import json
import sys
from unittest.mock import MagicMock

sys.modules["_cloudflare_compat_flags"] = sys.modules["_pyodide_entrypoint_helper"] = MagicMock()  # of the runtime

import js
from workers.rpc import _EnvWrapper

from cf_llama import ChatRequest, Settings, Transport, WorkersAIError


def asking(text, **fields):
    return ChatRequest(messages=[{"role": "user", "content": text}], **fields)


async def observe(binding):
    def over(**settings):
        return Transport(Settings(binding=binding, max_retries=0, **settings).connection())

    async def pieces(text):
        return [delta.text async for delta in over().astream(asking(text)) if delta.text]

    async def failure(text, faults="", **settings):
        try:
            await over(default_headers={"x-emulator-faults": faults}, **settings).arun(asking(text))
        except WorkersAIError as error:
            return [type(error).__name__, error.code, error.status, error.message]

    async def left_early():
        stream = over(default_headers={"x-emulator-faults": "hang=event@2"}).astream(asking("Hi"))
        first = await anext(stream)
        await stream.aclose()
        return [first.text, js.env.AI.cancelled]

    async def sent(**body):
        await over().arun(asking("Hi", extra_body=body))
        return json.loads(js.env.AI.lastBody)

    def synchronous():
        try:
            over().run(asking("Hi"))
        except WorkersAIError as error:
            return error.message

    reply = await over().arun(asking("Hi"))
    return {
        "whole": [reply.text, reply.usage.completion_tokens, bool(reply.response_metadata.ray_id)],
        "whole of content": (await over().arun(asking("give content"))).text,
        "whole of an object": (await over().arun(asking("give an object"))).text,
        "streamed": await pieces("Hi"),
        "streamed of content": await pieces("give content"),
        "left early": await left_early(),
        "sent": await sent(large=2**63, nothing=None, nested=[{"é": 1.5}]),
        "refused": await failure("Hi", "error=5007"),
        "thrown": await failure("give content", "error=3040"),
        "empty": await failure("give no body"),
        "lost": await failure("lose the connection"),
        "late": await failure("never answer", timeout=0.1),
        "synchronous": synchronous(),
    }


print(json.dumps({"plain": await observe(js.env.AI), "wrapped": await observe(_EnvWrapper(js.env).AI)}))
