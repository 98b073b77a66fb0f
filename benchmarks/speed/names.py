"""Who is measured, by name."""

from __future__ import annotations

RAW = "raw httpx"
NULL_LC, NULL_LI = "null LangChain", "null LlamaIndex"
BARE, LC, LI = "ours, bare", "ours, LangChain", "ours, LlamaIndex"
CLOUDFLARE, OPENAI, OPENAI_LIKE = "langchain-cloudflare", "ChatOpenAI", "OpenAILike"

NULLS, OURS, PEERS = (NULL_LC, NULL_LI), (BARE, LC, LI), (CLOUDFLARE, OPENAI, OPENAI_LIKE)
ALL = (RAW, *NULLS, *OURS, *PEERS)
ASKING = (RAW, *OURS, *PEERS)
FRAMED = (*NULLS, LC, LI, *PEERS)
FRAMEWORKS = {LC: NULL_LC, LI: NULL_LI, CLOUDFLARE: NULL_LC, OPENAI: NULL_LC, OPENAI_LIKE: NULL_LI}
"""Whose floor is whose."""
