"""The asynchronous batch: jobs that are submitted, kept, answered and asked for (Cloudflare docs: Batch API)."""

from cf_llama_emulator.batch_queue.jobs import Job, Jobs
from cf_llama_emulator.batch_queue.queue import Queue

__all__ = ["Job", "Jobs", "Queue"]
