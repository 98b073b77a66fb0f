"""The batch queue: many questions sent together, answered within minutes, each answered or failed by itself.

    Batch, Job ── action ──▶ BatchScheduler ── request ──▶ Transport.post / apost ──▶ response ── payloads ──▶ Outcome
                                                  Job keeps all of it in a Journal

Cloudflare docs: Batch API. `BatchScheduler` decides and neither sends nor waits; `Batch` and `Job` do, in both colours.
"""

from cf_llama.batch.actions import Ticket
from cf_llama.batch.driver import Batch, with_references
from cf_llama.batch.job import Job
from cf_llama.batch.options import BatchOptions
from cf_llama.batch.payloads import Item, Outcome

__all__ = ["Batch", "BatchOptions", "Item", "Job", "Outcome", "Ticket", "with_references"]
