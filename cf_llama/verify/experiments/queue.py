"""Statements about the batch queue."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cf_llama.verify.answer import Answer, is_refusal, result
from cf_llama.verify.experiment import RUN, Experiment, NotTestable, Request, refusing
from cf_llama.verify.experiments.whole_answers import payload

ITEMS = 8
"""Enough that another order does not come by chance."""
POLLS = 60
"""After which a batch counts as stuck."""
_ROUTE = f"{RUN}?queueRequest=true"
_PENDING = {"queued", "running", "processing", "pending"}


def _submission(*items: dict[str, Any]) -> Request:
    numbered = [item | {"external_reference": f"item {number}"} for number, item in enumerate(items)]
    return Request(json.dumps({"requests": numbered}), route=_ROUTE, longest=5 * len(items))


PROMPT = {"prompt": "Say hello.", "max_tokens": 5}
TURN = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 5}
SUBMISSION, SINGLE = _submission(*[PROMPT] * ITEMS), _submission(PROMPT)


def _is_pending(answer: Answer) -> bool:
    return not is_refusal(answer) and str(result(answer).get("status")) in _PENDING


def poll(answers: Sequence[Answer]) -> Request | None:
    """Return the next poll of a batch, or None once it is done or has failed."""
    request_id = result(answers[0]).get("request_id")
    if not isinstance(request_id, str) or not _is_pending(answers[-1]) or len(answers) > POLLS:
        return None
    return Request(json.dumps({"request_id": request_id}), route=_ROUTE, copy=len(answers), longest=0)


def _poll_again(answers: Sequence[Answer]) -> Request | None:
    """Return the next poll, and one more once the batch is done."""
    done = [answer for answer in answers if not _is_pending(answer)]
    if len(done) != 1 or is_refusal(done[0]) or not _items(done[0]):
        return poll(answers)
    request_id = result(answers[0]).get("request_id")
    return Request(json.dumps({"request_id": request_id}), route=_ROUTE, copy=POLLS + 1, longest=0)


def _items(answer: Answer) -> list[dict[str, Any]]:
    found = result(answer)
    listed = found.get("responses", found.get("results"))
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def _done(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    if _is_pending(answers[-1]):
        raise NotTestable(f"the batch was not done after {POLLS} polls")
    payload(answers[-1])
    if not (items := _items(answers[-1])):
        raise NotTestable("the batch failed, or has no results")
    return items


def _form(answers: Sequence[Answer]) -> str:
    if _is_pending(answers[-1]):
        raise NotTestable(f"the batch was not done after {POLLS} polls")
    found = payload(answers[-1])
    if "status" in found:
        raise NotTestable(f"the batch is {found['status']}")
    return next((name for name in ("responses", "results") if name in found), "the result alone")


def _keys(answers: Sequence[Answer]) -> str:
    item = _done(answers)[0]
    names = {"number": "id" in item or "index" in item, "reference": "external_reference" in item}
    return " and ".join(name for name, there in names.items() if there) or "none"


def _numbers(answers: Sequence[Answer]) -> list[Any]:
    items = _done(answers)
    return [item.get("id", item.get("index", item.get("external_reference"))) for item in items]


def _order(answers: Sequence[Answer]) -> str:
    numbers = _numbers(answers)
    if None in numbers:
        raise NotTestable("the results do not say whose they are")
    return "as submitted" if numbers == sorted(numbers, key=str) else "another"


def _nesting(answers: Sequence[Answer]) -> str:
    results = [item["result"] for item in _done(answers) if isinstance(item.get("result"), dict)]
    if not results:
        raise NotTestable("no item has a result")
    return "a result in the result" if "result" in results[0] else "the answer"


def _success(answers: Sequence[Answer]) -> str:
    succeeded = [bool(item.get("success")) for item in _done(answers)]
    return "all" if all(succeeded) else "some" if any(succeeded) else "none"


def _submitted(answers: Sequence[Answer]) -> str:
    found = payload(answers[0])
    return str(found.get("status")) + (", request_id" if "request_id" in found else "")


def _batch(
    name: str,
    statement: str,
    expected: str,
    observe: Callable[[Sequence[Answer]], str],
    *,
    section: str = "5.2 #15",
    request: Request = SUBMISSION,
    follow: Callable[[Sequence[Answer]], Request | None] = poll,
    switches: Mapping[str, str] | None = None,
) -> Experiment:
    return Experiment(
        name=name,
        statement=statement,
        section=section,
        requests=(request,),
        expected=expected,
        observe=observe,
        switches=switches or {},
        follow=follow,
    )


def _no_poll(_: Sequence[Answer]) -> None:
    return None


QUEUE = (
    _batch(
        "queue-submission",
        "A submission is answered with the status queued and a request_id.",
        "queued, request_id",
        _submitted,
        section="5.1",
        follow=_no_poll,
    ),
    _batch(
        "queue-status",
        "A submission is answered with HTTP status 200.",
        "200",
        lambda answers: str(answers[0].status),
        section="5.1",
        follow=_no_poll,
        switches={"202": "queue-accepted"},
    ),
    _batch(
        "queue-form", "Results are a list called responses.", "responses", _form, switches={"results": "queue-form=2"}
    ),
    _batch(
        "queue-single",
        "The result of a batch of one is a list too.",
        "responses",
        _form,
        request=SINGLE,
        switches={"the result alone": "queue-form=3", "results": "queue-form=2"},
    ),
    _batch(
        "queue-keys",
        "A result has the number of its item and its external_reference.",
        "number and reference",
        _keys,
        switches={"(number|reference|none)": r"queue-keyed=\1"},
    ),
    _batch(
        "queue-order",
        "Results come in the order of their items.",
        "as submitted",
        _order,
        switches={"another": "queue-shuffled"},
    ),
    _batch(
        "queue-complete",
        "Every item has a result.",
        f"{ITEMS} results",
        lambda answers: f"{len(_done(answers))} results",
        section="5.2 #16",
        switches={r"(\d+) results": "queue-missing=0.5"},
    ),
    _batch(
        "queue-success",
        "Every item succeeds.",
        "all",
        _success,
        switches={"none": "queue-failed", "some": "queue-failed=0.5"},
    ),
    _batch(
        "queue-nesting",
        "The result of an item is the answer itself.",
        "the answer",
        _nesting,
        switches={"a result in the result": "queue-nested"},
    ),
    _batch(
        "queue-again",
        "Results can be polled again.",
        "results",
        lambda answers: "results" if _done(answers) else "none",
        section="5.3 #16",
        follow=_poll_again,
        switches={"refused with 400/5006": "queue-expired"},
    ),
    refusing(
        "queue-messages",
        "An item with messages is refused.",
        "5.1 #14",
        _submission(TURN),
        5006,
        switches={"answered": "queue-messages"},
    ),
)
"""They take some minutes, as a batch waits in a queue."""
