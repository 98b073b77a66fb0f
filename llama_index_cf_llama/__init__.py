"""Llama 3.3 70B on Cloudflare Workers AI as an LLM for LlamaIndex.

from llama_index_cf_llama import CloudflareLlama

llm = CloudflareLlama()  # account and token from the environment
print(llm.complete("Say hello"))
"""

from importlib.util import find_spec

if find_spec("llama_index") is None or find_spec("llama_index.core") is None:
    raise ImportError("llama_index_cf_llama needs LlamaIndex: pip install 'cf-llama[llama-index]'")

from cf_llama.protocol.tokens import encode as tokenizer
from llama_index_cf_llama.base import CloudflareLlama
from llama_index_cf_llama.prompts import completion_to_prompt, messages_to_prompt

__all__ = ["CloudflareLlama", "completion_to_prompt", "messages_to_prompt", "tokenizer"]
