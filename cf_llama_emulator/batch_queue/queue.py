"""Submits, answers and polls jobs."""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from typing import Any

from cf_llama_emulator.batch_queue.jobs import Job, Jobs
from cf_llama_emulator.batch_queue.result_formats import results
from cf_llama_emulator.faults import Plan
from cf_llama_emulator.faults.output_faults import OUTPUT_FAULTS
from cf_llama_emulator.faults.queue_faults import (
    BROKEN,
    DELAY,
    EXPIRED,
    FAILED,
    LIMIT,
    MESSAGES,
    MISSING,
    QUEUE_FAULTS,
    STUCK,
    TEMPLATED,
)
from cf_llama_emulator.settings import Settings
from cf_llama_emulator.wire.chunks import with_usage
from cf_llama_emulator.wire.engine_protocol import Engine, Raw
from cf_llama_emulator.wire.errors import ServiceError, bad_input, emulator_error
from cf_llama_emulator.wire.parse_request import parse_request
from cf_llama_emulator.wire.tokens import estimate_input
from cf_llama_emulator.wire.validation import check_context, check_schema
from cf_llama_emulator.wire.whole_answer import whole_answer
from cf_llama_emulator.wire.writers import encode

Answer = dict[str, Any]

_ITEM_FAILURE: Answer = {"success": False, "error": {"code": 3043, "message": "AiError: Internal server error"}}


class Queue:
    """The jobs of one emulator, answered in the background by its engine."""

    def __init__(self, engine: Engine, settings: Settings, spend: Callable[[float], None]) -> None:
        """Take up the jobs of `settings.queue_file`; those without answers are answered when asked for.

        The cost of an answer, in neurons, is passed to `spend`.
        """
        self._engine, self._settings, self._spend = engine, settings, spend
        self._jobs = Jobs(settings.queue_file)
        self._working: dict[str, asyncio.Task[None]] = {}

    def submit(self, model: str, body: Mapping[str, Any], plan: Plan) -> Answer:
        """Accept a batch and return the `result` of a submission.

        Raises:
            ServiceError: 400/5006 for a body that does not meet the page's schema, or an item without a prompt.
        """
        requests = _checked(body, plan)
        names = {fault.name for fault in (*QUEUE_FAULTS, *OUTPUT_FAULTS)}
        faults = {name: value for name, value in plan.values.items() if name in names}
        job = Job(request_id=str(uuid.uuid4()), model=model, submitted=time.time(), requests=requests, faults=faults)
        self._jobs.put(job)
        self._work(job)
        return _status(job, "queued")

    def poll(self, request_id: Any) -> Answer:
        """Return the `result` for a job: its status or its results.

        Raises:
            ServiceError: there is no such job, or it failed as a whole.
        """
        job = self._jobs.find(request_id)
        if job is None or (EXPIRED in job.faults and job.answers is not None):
            raise bad_input("no batch request has this request_id")
        if STUCK in job.faults:
            return _status(job, "running")
        if time.time() < job.submitted + job.faults.get(DELAY, 0):
            return _status(job, "queued")
        if job.faults.get(BROKEN) == "error":
            raise ServiceError(500, 5001, "Model execution failed")
        if job.faults.get(BROKEN) == "status":
            return _status(job, "failed")
        if job.answers is None:
            self._work(job)
            return _status(job, "running")
        found: Answer = results(job, job.answers)
        return found

    def _work(self, job: Job) -> None:
        if job.request_id not in self._working:
            task = asyncio.get_running_loop().create_task(self._answer(job))
            self._working[job.request_id] = task
            task.add_done_callback(lambda _: self._working.pop(job.request_id, None))

    async def _answer(self, job: Job) -> None:
        answers = [await self._answer_item(job, item) for item in job.requests]
        self._jobs.put(replace(job, answers=answers))

    async def _answer_item(self, job: Job, item: Mapping[str, Any]) -> Answer | None:
        if _happens(job.faults.get(MISSING, 0)):
            return None
        if _happens(job.faults.get(FAILED, 0)):
            return _ITEM_FAILURE
        try:
            return {"result": await self._generate(job.model, item, Plan(job.faults)), "success": True}
        except ServiceError as error:
            return {"success": False, "error": {"code": error.code, "message": f"AiError: {error.text}"}}

    async def _generate(self, model: str, item: Mapping[str, Any], plan: Plan) -> Any:
        """Return what the engine answers. Prompts are not wrapped here as a rule: the documented samples ramble on."""
        raw = "prompt" in item and TEMPLATED not in plan
        engine_request = replace(parse_request(model, item, "prompt" if "prompt" in item else "messages"), raw=raw)
        check_context(engine_request)
        prompt_tokens = estimate_input(engine_request)
        writer = plan.writer(plan.settings(self._settings).writer(model, prompt_tokens))
        pieces = plan.pieces(with_usage(self._engine.answer(engine_request), prompt_tokens))
        answer = await whole_answer(pieces, writer)
        if isinstance(answer, Raw):
            raise emulator_error("a raw answer is no item of a batch")
        self._spend(round(answer.neurons, 2))
        return json.loads(encode(answer.result))


def _checked(body: Mapping[str, Any], plan: Plan) -> list[Mapping[str, Any]]:
    if "requests" not in body:
        raise bad_input("required properties at '/' are 'requests'")
    check_schema(body, ["requests"])
    if len(body["requests"]) > (limit := plan.values.get(LIMIT, inf)):
        raise bad_input(f"'/requests' must have at most {limit} items")
    for number, item in enumerate(body["requests"]):
        if "messages" in item and MESSAGES in plan:
            check_schema({name: value for name, value in item.items() if name != "external_reference"}, ["messages"])
        elif "prompt" not in item:
            raise bad_input(f"required properties at '/requests/{number}' are 'prompt'")
    return list(body["requests"])


def _happens(share: float) -> bool:
    return random.random() < share  # noqa: S311 - a fault, no secret


def _status(job: Job, status: str) -> Answer:
    return {"status": status, "request_id": job.request_id, "model": job.model}
