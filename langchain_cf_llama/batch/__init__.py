"""The batch queue for LangChain: a model whose `batch` uses it, with callbacks for each request.

What does not know LangChain belongs in `cf_llama.batch`.
"""
