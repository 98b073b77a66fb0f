"""A Worker that answers, streams and calls a tool over its AI binding.

`/?question=...` answers, `/stream?question=...` streams, `/order?question=...` has the model look an order up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import js
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import PromptTemplate
from pyodide.ffi import to_js
from workers import Response, WorkerEntrypoint

from langchain_cf_llama import ChatCloudflareLlama, errors

PROMPT = PromptTemplate.from_template("Answer in one sentence: {question}")


def order_status(order_id: str) -> str:
    """Look up where an order is."""
    return f"order {order_id} left Rotterdam this morning"


class Default(WorkerEntrypoint):
    """The Worker."""

    async def fetch(self, request: Any) -> Any:
        """Answer a request."""
        url = urlsplit(request.url)
        question = parse_qs(url.query).get("question", ["Where is Rotterdam?"])[0]
        llm = ChatCloudflareLlama(binding=self.env.AI, rate_limit=False)
        chain = PROMPT | llm | StrOutputParser()
        try:
            if url.path == "/stream":
                return self._streamed(chain.astream({"question": question}))
            if url.path == "/order":
                return Response(await look_up(llm, question))
            return Response(await chain.ainvoke({"question": question}))
        except errors.RateLimitError as error:
            return Response(f"Try again later: {error.message}", status=503)

    def _streamed(self, texts: AsyncIterator[str]) -> Any:
        """A response that is sent while the answer is written."""
        through = js.TransformStream.new()
        self.ctx.waitUntil(asyncio.ensure_future(write(texts, through.writable.getWriter())))
        return Response(through.readable, headers={"content-type": "text/plain; charset=utf-8"})


async def look_up(llm: ChatCloudflareLlama, question: str) -> str:
    """Let the model call the tool, and say what it has found."""
    asked = await llm.bind_tools([order_status], tool_choice="order_status").ainvoke(question)
    return "\n".join(order_status(**call["args"]) for call in asked.tool_calls)


async def write(texts: AsyncIterator[str], writer: Any) -> None:
    """Write the pieces as they come; whoever reads sees an error that ends them."""
    try:
        async for text in texts:
            await writer.write(to_js(text.encode()))
        await writer.close()
    except errors.WorkersAIError as error:
        await writer.abort(js.Error.new(error.message))
