"""Llama 3.3 70B on Cloudflare Workers AI for LangChain."""

try:
    import langchain_core  # noqa: F401 - whether it is there is the question
except ModuleNotFoundError as missing:
    if missing.name != "langchain_core":
        raise
    raise ImportError("langchain_cf_llama needs LangChain: pip install 'cf-llama[langchain]'") from None

from cf_llama.version import __version__
from langchain_cf_llama.chat_models import ChatCloudflareLlama
from langchain_cf_llama.llms import CloudflareLlamaLLM

__all__ = ["ChatCloudflareLlama", "CloudflareLlamaLLM", "__version__"]
