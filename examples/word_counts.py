"""An embedding that needs no model: words counted by their hash. Enough to find a paragraph among a few."""

from __future__ import annotations

import re
from zlib import crc32

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding

DIMENSIONS = 512


class WordCounts(BaseEmbedding):
    """One dimension for each hash of a word of four letters or more."""

    def _get_text_embedding(self, text: str) -> Embedding:
        vector = [0.0] * DIMENSIONS
        for word in re.findall(r"\w{4,}", text.lower()):
            vector[crc32(word.encode()) % DIMENSIONS] += 1
        return vector

    def _get_query_embedding(self, query: str) -> Embedding:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return self._get_text_embedding(query)
