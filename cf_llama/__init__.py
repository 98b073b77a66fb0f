"""The wire to Llama 3.3 70B on Cloudflare Workers AI: httpx and pydantic, no framework."""

from cf_llama.version import __version__

__all__ = ["__version__"]
