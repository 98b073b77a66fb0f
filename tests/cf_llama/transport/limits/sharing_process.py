"""Calls of one process among several: python sharing_process.py CALLS STORE. Account and address: the environment."""

import asyncio
import sys

from cf_llama import ChatRequest, RateLimit, Settings, Transport

calls, store = int(sys.argv[1]), sys.argv[2]
transport = Transport(Settings(rate_limit=RateLimit(20, 1, store=store)).connection())


async def main():
    tasks = [asyncio.create_task(transport.arun(ChatRequest(prompt="Hi"))) for _ in range(calls)]
    await tasks[0]
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    replies = await asyncio.gather(*tasks)
    sys.stdout.write(f"{len(replies)} answered\n")


asyncio.run(main())
