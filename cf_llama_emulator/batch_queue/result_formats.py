"""The forms in which the results of a batch are written.

Form 1 is the documented one (Cloudflare docs: Batch API); forms 2 and 3 are known from public code that polls.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from cf_llama_emulator.batch_queue.jobs import Job
from cf_llama_emulator.faults.queue_faults import FORM, KEYED, NESTED, SHUFFLED

Item = dict[str, Any]


def results(job: Job, answers: Sequence[Mapping[str, Any] | None]) -> Any:
    """Return the `result` of a poll for a job that is done."""
    form = job.faults.get(FORM, "1")
    if form == "3" and len(answers) == 1 and answers[0] and answers[0]["success"]:
        return answers[0]["result"]
    items = [
        _item(job, number, answer, "index" if form == "2" else "id")
        for number, answer in enumerate(answers)
        if answer is not None
    ]
    if SHUFFLED in job.faults and job.faults.get(KEYED) != "none":  # else they could not be matched
        random.shuffle(items)
    if form == "2":
        return {"results": items}
    usage = _total([item["result"].pop("usage", {}) for item in items if item["success"]])
    return {"responses": [_nested(item) if NESTED in job.faults else item for item in items], "usage": usage}


def _item(job: Job, number: int, answer: Mapping[str, Any], key: str) -> Item:
    """Return one result with its reference; a failure is an object in form 1 and a text in form 2."""
    item = {name: dict(value) if isinstance(value, Mapping) else value for name, value in answer.items()}
    if key == "index" and "error" in item:
        item["error"] = item["error"]["message"]
    keyed, reference = job.faults.get(KEYED, "both"), job.requests[number].get("external_reference")
    named = {} if keyed in ("reference", "none") else {key: number}
    if keyed in ("both", "reference") and reference is not None:
        item["external_reference"] = reference
    return named | item


def _nested(item: Item) -> Item:
    return item | {"result": {"result": item["result"]}} if item["success"] else item


def _total(usages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: sum(usage.get(name, 0) for usage in usages) for name in names}
