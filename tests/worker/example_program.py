"""Runs in Pyodide: `examples/worker`, with Cloudflare's SDK and what the runtime gives it. Prints its responses."""

import asyncio
import json
import sys
from unittest.mock import MagicMock

for name in ("orjson", "xxhash", "zstandard", "_cloudflare_compat_flags", "_pyodide_entrypoint_helper"):
    sys.modules[name] = MagicMock()
sys.modules["psutil"] = None
sys.path.insert(0, "/repository/examples/worker/src")

import js
from entry import Default
from workers import Request
from workers.rpc import _EnvWrapper


class Context:
    """The part of a Worker's context that is used."""

    def waitUntil(self, task):  # noqa: N802 - JavaScript names it
        self.task = task


async def fetch(path):
    worker = Default(Context(), _EnvWrapper(js.env))
    response = await worker.fetch(Request(js.Request.new(f"https://worker.example{path}")))
    return [response.status, await response.text()]


paths = ["/?question=Hi", "/stream?question=Hi", "/order?question=Where+is+order+1042%3F"]
print(json.dumps(dict(zip(paths, await asyncio.gather(*map(fetch, paths)), strict=True))))
