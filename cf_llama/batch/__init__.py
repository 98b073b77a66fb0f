"""The batch queue: many requests submitted together, answered within minutes, each with its own outcome.

    Batch, Job ── action ──▶ BatchScheduler ── request ──▶ Transport.post / apost ──▶ response ── payloads ──▶ Outcome
                                                  Job keeps all of it in a Journal

Cloudflare docs: Batch API. `BatchScheduler` decides without I/O; `Batch` and `Job` send and wait, sync and async. What
a framework expects of a batch belongs in its integration.
"""

from cf_llama.batch.actions import Ticket
from cf_llama.batch.driver import Batch, with_references
from cf_llama.batch.job import Job
from cf_llama.batch.options import BatchOptions
from cf_llama.batch.payloads import Item, Outcome

__all__ = ["Batch", "BatchOptions", "Item", "Job", "Outcome", "Ticket", "with_references"]
