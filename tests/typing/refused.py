"""Slips that a type checker must find, one on each line that is marked."""

from __future__ import annotations

from cf_llama import Settings
from langchain_cf_llama import ChatCloudflareLlama, CloudflareLlamaLLM
from llama_index_cf_llama import CloudflareLlama

ChatCloudflareLlama(temperatur=0)  # wrong
ChatCloudflareLlama(temperature="hot")  # wrong
ChatCloudflareLlama(stop=5)  # wrong
CloudflareLlamaLLM(streaming=True)  # wrong
CloudflareLlama(timeout="soon")  # wrong
CloudflareLlama(complete_as="answer")  # wrong
Settings(account=1)  # wrong
ChatCloudflareLlama(api_key=lambda: 5)  # wrong
ChatCloudflareLlama(extra_body=[1])  # wrong
ChatCloudflareLlama("a-model")  # wrong
