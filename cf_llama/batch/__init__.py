"""The batch queue: many questions sent together, answered within minutes, each answered or failed by itself.

    Batch, Job ── step ──▶ Work ── posting ──▶ Transport.post / apost ──▶ page ── wire ──▶ Outcome
                                                  Job keeps all of it in a Journal

Cloudflare docs: Batch API. `Work` decides and neither sends nor waits; `Batch` and `Job` do, in both colours.
"""

from cf_llama.batch.driver import Batch, named
from cf_llama.batch.job import Job
from cf_llama.batch.options import BatchOptions
from cf_llama.batch.steps import Ticket
from cf_llama.batch.wire import Item, Outcome

__all__ = ["Batch", "BatchOptions", "Item", "Job", "Outcome", "Ticket", "named"]
