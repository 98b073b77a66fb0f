"""A Worker's AI binding, answered by an emulator: `env.AI` as it gives raw responses, and as it gives their content."""

from __future__ import annotations

import asyncio

import httpx

GATEWAY_HEADERS = {"id": "cf-aig-gateway-id", "cacheTtl": "cf-aig-cache-ttl", "skipCache": "cf-aig-skip-cache"}


class InferenceUpstreamError(Exception):
    """What the genuine binding raises; its text is all that it says."""

    def __str__(self):
        return f"InferenceUpstreamError: {super().__str__()}"


class RawResponse:
    """The parts of JavaScript's Response that are read."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


class EmulatorBinding:
    """Sends each `run` to an emulator.

    `raw=False` leaves out the response around an answer, as bindings do that do not know `returnRawResponse`.
    """

    def __init__(self, emulator, *, raw=True):
        self.emulator, self.raw = emulator, raw
        self.runs = []
        self.closed = asyncio.Event()  # a body was read to its end, or given up

    async def run(self, model, inputs, options):
        self.runs.append((model, inputs, options))
        chunks = self._chunks(*self._request(model, inputs, options))
        response = await anext(chunks)
        if self.raw:
            return RawResponse(response.status_code, response.headers, chunks)
        if response.is_error:
            await response.aread()
            failure = response.json()
            await chunks.aclose()
            raise InferenceUpstreamError(f"{failure['internalCode']}: {failure['description']}")
        if response.headers["content-type"] != "application/json":
            return chunks
        await response.aread()
        await chunks.aclose()
        return response.json()

    async def _chunks(self, url, headers, body):
        """The response, and then the bytes of its body."""
        async with (
            httpx.AsyncClient(timeout=None) as client,  # noqa: S113 - those of the caller are tested
            client.stream("POST", url, headers=headers, json=body) as response,
        ):
            try:
                yield response
                async for chunk in response.aiter_bytes():
                    yield chunk
            finally:
                self.closed.set()

    def _request(self, model, inputs, options):
        emulator = self.emulator
        headers = dict(options.get("extraHeaders", {}))
        faults = headers.pop("x-emulator-faults", "")
        gateway = options.get("gateway", {})
        headers |= {GATEWAY_HEADERS[name]: str(value).lower() for name, value in gateway.items()}
        headers["authorization"] = f"Bearer {emulator.api_token}"
        headers["x-emulator-faults"] = ", ".join(filter(None, ["bare", "form=binding", faults]))
        url = f"{emulator.base_url}/accounts/{emulator.account_id}/ai/run/{model}"
        kept = {name: value for name, value in options.items() if name == "rejectIfBusy"}
        query = "?queueRequest=true" if options.get("queueRequest") else ""
        return f"{url}{query}", headers, inputs | ({"options": kept} if kept else {})
