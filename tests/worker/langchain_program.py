"""Runs in Pyodide: LangChain's chat model over `env.AI`. Prints what it saw."""

import json
import sys
from unittest.mock import MagicMock

for name in ("orjson", "xxhash", "zstandard"):  # compiled, and in Pyodide's own distribution only; LangSmith's alone
    sys.modules[name] = MagicMock()
sys.modules["psutil"] = None

import js
from langchain_core.output_parsers import StrOutputParser

from langchain_cf_llama import ChatCloudflareLlama


def order_status(order_id: str) -> str:
    """Look up where an order is."""
    return f"order {order_id} left Rotterdam"


llm = ChatCloudflareLlama(binding=js.env.AI)
chain = llm | StrOutputParser()
asked = await llm.bind_tools([order_status], tool_choice="order_status").ainvoke("Where is order 1042?")
seen = {
    "whole": await chain.ainvoke("Hi"),
    "streamed": [piece async for piece in chain.astream("Hi") if piece],
    "tools": [call["name"] for call in asked.tool_calls],
}
print(json.dumps(seen))
