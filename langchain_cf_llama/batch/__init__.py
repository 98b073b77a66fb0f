"""The batch queue for LangChain: a model, a binding and structured output whose `batch` uses it.

What does not know LangChain belongs in `cf_llama.batch`.
"""
