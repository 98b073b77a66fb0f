"""The batch queue: jobs that are submitted, stored, answered and polled (Cloudflare docs: Batch API).

Routes belong in `server`. What goes wrong with a batch on purpose belongs in `faults`.
"""

from cf_llama_emulator.batch_queue.jobs import Job, Jobs
from cf_llama_emulator.batch_queue.queue import Queue

__all__ = ["Job", "Jobs", "Queue"]
