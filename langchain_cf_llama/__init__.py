"""Llama 3.3 70B on Cloudflare Workers AI for LangChain.

from langchain_cf_llama import ChatCloudflareLlama

llm = ChatCloudflareLlama()  # account and token from the environment
print(llm.invoke("Say hello").text)
"""

try:
    import langchain_core  # noqa: F401 - only to check that it is installed
except ModuleNotFoundError as missing:
    if missing.name != "langchain_core":
        raise
    raise ImportError("langchain_cf_llama needs LangChain: pip install 'cf-llama[langchain]'") from None

from typing import TYPE_CHECKING, Any

from cf_llama.version import __version__
from langchain_cf_llama.chat_models import ChatCloudflareLlama

if TYPE_CHECKING:
    from langchain_cf_llama.llms import CloudflareLlamaLLM

__all__ = ["ChatCloudflareLlama", "CloudflareLlamaLLM", "__version__"]


def __getattr__(name: str) -> Any:
    """Load the text model on first use, because LangChain's base class of it is slow to import."""
    if name != "CloudflareLlamaLLM":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from langchain_cf_llama.llms import CloudflareLlamaLLM  # noqa: PLC0415 - as said above

    return CloudflareLlamaLLM
