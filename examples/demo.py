"""The whole point in three acts: a chain that streams, an agent that calls a tool, an answer from documents.

With CLOUDFLARE_ACCOUNT_ID and a token set it speaks to Workers AI; without, to an emulator on this machine that thinks
with a small local model, or with fixed rules where there is none.
"""

from __future__ import annotations

import time
from contextlib import nullcontext

from langchain.agents import create_agent
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from llama_index.core import Document, VectorStoreIndex
from llama_index.embeddings.cloudflare_workersai import CloudflareEmbedding, base

from cf_llama_emulator.testing.fallback import emulator_unless_account
from langchain_cf_llama import ChatCloudflareLlama
from llama_index_cf_llama import CloudflareLlama

ORDERS = {"1042": "left the warehouse in Rotterdam this morning, arrives on Friday"}
HANDBOOK = {
    "leave.md": "Every employee has 27 days of paid leave a year. Unused leave lapses at the end of March.",
    "travel.md": "Trains are booked second class. Flights under 700 kilometres need the approval of a director.",
    "laptops.md": "Laptops are replaced after four years. A broken laptop is exchanged within one working day.",
}


def order_status(order_id: str) -> str:
    """Look up where an order is.

    Args:
        order_id: The number of the order, e.g. 1042.
    """
    return ORDERS.get(order_id, "unknown order")


def chain() -> None:
    """LangChain: prompt | model | parser, streamed."""
    prompt = ChatPromptTemplate.from_messages(
        [("system", "You are brief."), ("user", "Explain {thing} in two sentences.")]
    )
    for text in (prompt | ChatCloudflareLlama(max_tokens=150, temperature=0) | StrOutputParser()).stream(
        {"thing": "a hash table"}
    ):
        print(text, end="", flush=True)
    print()


def agent() -> None:
    """LangChain: an agent that needs a tool to know the answer."""
    workers = create_agent(ChatCloudflareLlama(max_tokens=200, temperature=0), [order_status])
    question = 'Where is order "1042"? Look it up with order_status.'
    for message in workers.invoke({"messages": [("user", question)]})["messages"]:
        for call in getattr(message, "tool_calls", ()):
            print(f"{message.type:>6}: calls {call['name']}({call['args']})")
        if message.text:
            print(f"{message.type:>6}: {message.text}")


def documents() -> None:
    """LlamaIndex: an answer out of documents, with the one it came from, found by embeddings of the same account."""
    llm = CloudflareLlama(max_tokens=100, temperature=0)
    base.API_URL_TEMPLATE = f"{llm.base_url}/accounts/{{}}/ai/run/{{}}"  # it has no setting for this
    embeddings = CloudflareEmbedding(llm.account_id, llm.api_token.get_secret_value())
    pages = [Document(text=text, metadata={"file": name}) for name, text in HANDBOOK.items()]
    index = VectorStoreIndex.from_documents(pages, embed_model=embeddings)
    question = "How many days of paid leave does an employee have, and what happens to unused leave?"
    answer = index.as_query_engine(llm=llm, similarity_top_k=1).query(question)
    print(answer)
    for node in answer.source_nodes:
        print(f"source: {node.metadata['file']} ({node.score:.2f}): {node.text}")


def main() -> None:
    """Run the three, with the time each took."""
    with emulator_unless_account() or nullcontext():
        for act in (chain, agent, documents):
            print(f"\n── {act.__doc__}")
            start = time.perf_counter()
            act()
            print(f"   ({time.perf_counter() - start:.1f} s)")


if __name__ == "__main__":
    main()
