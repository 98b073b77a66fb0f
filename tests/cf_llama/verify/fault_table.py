"""What each fault of the emulator has to turn, and which cannot show."""

from cf_llama.verify.experiments import EXPERIMENTS, QUEUE, gateway_experiments

EVERYTHING = (*EXPERIMENTS, *QUEUE, *gateway_experiments("default"))
CHOICES = {"tool-choice-named", "tool-choice-required", "tool-choice-none", "forced-call-cut"}
LEAKED = {
    *("tool-call", "tool-call-streamed", "tool-choice-named", "tool-choice-required"),
    *("openai-tool-call", "openai-tool-call-streamed"),
}
SHAPE = {"shape", "stream-shape"}
SILENT = {
    *("response-text", "tool-call", "tool-choice-named", "tool-choice-required", "json-schema", "json-object"),
    *("prompt", "raw-prompt", "openai-tool-call"),
}
COUNTS = {"usage", "stream-usage", "openai-completion", "openai-stream-usage"}
RESULTS = {
    *("queue-form", "queue-single", "queue-keys", "queue-order", "queue-complete", "queue-success", "queue-nesting"),
    "queue-again",
}

TURNS = {
    "json-answer": {"stream"},
    "bare": {"envelope"},
    "window=9000": {"context-overflow"},
    "window=131072": {"context-overflow"},
    "takes-content": {"null-content", "content-parts"},
    "takes-any-range": {"out-of-range"},
    "takes-text": {"number-as-text"},
    "text-arguments": {"object-arguments"},
    "tool-choice": CHOICES,
    "tool-choice=refused": CHOICES,
    "prompt-alone": {"raw-messages"},
    "bare-schema": {"json-schema-wrapper"},
    "tools=strict": {"tool-without-descriptions"},
    "code=2009": {"refusal-codes"},
    "form=binding": {"refusal-form"},
    "form=gateway": {"refusal-form"},
    "form=openai": {"refusal-form"},
    "form=upstream": {"refusal-form"},
    "form=embedded": {"refusal-form"},
    "form=run": {"refusal-form"},
    "form=string-code": {"refusal-form"},
    "form=code-in-text": {"refusal-form"},
    "form=problem": {"refusal-form"},
    "form=markdown": {"refusal-form"},
    "form=text": {"refusal-form"},
    "form=html": {"refusal-form"},
    "form=empty": {"refusal-form"},
    "status=200": {"refusal-status"},
    "status=500": {"refusal-status"},
    "retry-after=30": {"retry-after"},
    "retry-after=5ms": {"retry-after"},
    "retry-after=30date": {"retry-after"},
    "shape=hybrid": SHAPE,
    "shape=openai": SHAPE,
    "tokens=text": {"response-number", "stream-digits", "json-schema", "json-object", "openai-stream-digits"},
    "padding=off": {"stream-padding"},
    "increments": {"stream-increments"},
    "json-streams": {"json-stream"},
    "text-at-end": {"stream-last-text"},
    "stop": {"stop"},
    "leak=json": LEAKED,
    "leak=function": LEAKED,
    "leak=tag": LEAKED,
    "leak=python": LEAKED,
    "leak=fenced": LEAKED,
    "whole-calls": {"openai-tool-call-streamed"},
    "shape=hybrid, whole-calls": {*SHAPE, "tool-call-streamed", "openai-tool-call-streamed"},
    "top-fragments": {"openai-tool-call-streamed"},
    "shape=hybrid, top-fragments": {*SHAPE, "tool-call-streamed", "openai-tool-call-streamed"},
    "ids": {"openai-tool-call-ids"},
    "ids=null": {"openai-tool-call-ids"},
    "shape=hybrid, ids=repeated": {*SHAPE, "tool-call-ids", "openai-tool-call-ids"},
    "empty-calls": {"no-calls", "tool-call-entries"},
    "null-finalisation": {"tool-call-streamed", "openai-tool-call-streamed"},
    "no-usage": COUNTS,
    "no-usage=increments": {"openai-stream-increments"},
    "no-usage=closing": COUNTS,
    "increments, no-usage=closing": {*COUNTS, "stream-increments"},
    "usage-twice": {"stream-usage-once"},
    "usage-twice=zeros": {"stream-usage-once"},
    "usage-twice=details": {"stream-usage-once"},
    "cached=2": {"cached-tokens"},
    "neurons=2.5": {"neurons", "json-neurons"},
    "finish-reason": {"openai-finish", "openai-stream-finish"},
    "shape=hybrid, finish-reason": {*SHAPE, "max-tokens", "stream-finish", "openai-finish", "openai-stream-finish"},
    "finish-reason=top": {"openai-finish", "openai-stream-finish"},
    "shape=hybrid, empty-beside": {*SHAPE, "stream-copies"},
    "nothing": {*SILENT, "tool-call-streamed", "openai-tool-call-streamed"},
    "nothing=events": {*SILENT, "stream"},
    "shape=hybrid, absent=response": SHAPE,
    "shape=hybrid, absent=choices": {*SHAPE, "tool-call-streamed"},
    "shape=hybrid, absent=tool_calls": {*SHAPE, "no-calls"},
    "absent=tool_calls": {"no-calls"},
    "nulls": {"stream-empty-text"},
    "huge-event=64": {"stream-padding"},
    "no-done": {"stream-done", "openai-stream-end"},
    "error-event=errors": {"stream-done", "openai-stream-end"},
    "error-event=error": {"stream-done", "openai-stream-end"},
    "error-event=text": {"stream-done", "openai-stream-end"},
    "error-event=name": {"stream-done", "openai-stream-end"},
    "error-event=success": {"stream-done", "openai-stream-end"},
    "recorded": {"stream"},
    "framing=crlf": {"stream-framing"},
    "framing=cr": {"stream-framing"},
    "framing=no-space": {"stream-framing"},
    "framing=no-blank-lines": {"stream-framing"},
    "framing=fields": {"stream-framing"},
    "framing=blank-data": {"stream-framing"},
    "framing=malformed": {"stream-framing"},
    "framing=bom": {"stream-framing"},
    "content-type=text/plain": {"content-type"},
    "queue-form=2": {"queue-form", "queue-single"},
    "queue-form=3": {"queue-single"},
    "queue-keyed=number": {"queue-keys"},
    "queue-keyed=reference": {"queue-keys"},
    "queue-keyed=none": {"queue-keys"},
    "queue-nested": {"queue-nesting"},
    "queue-shuffled": {"queue-order"},
    "queue-accepted": {"queue-status"},
    "queue-messages": {"queue-messages"},
    "queue-failed=1": {"queue-success"},
    "queue-expired": RESULTS,
}
"""The statements that a fault contradicts; what was seen names this very fault."""

BY_CHANCE = {"queue-missing=0.5": {"queue-complete"}, "queue-failed=0.5": {"queue-success"}}
"""As above, but another run may turn nothing, or more."""

DAMAGED = {
    "truncate=byte@2": {"envelope", "stream-framing", "stream-done", "openai-completion", "openai-stream-end"},
    "truncate=event@2": {"envelope", "stream-done", "openai-completion", "openai-stream-end"},
    "truncate=start": {"envelope", "stream", "openai-completion"},
}
"""As above, but no fault is named: only a position would say which."""

LOCAL = {"wrong-token", "no-token", "front-refusal-form", "openai-models"}
"""The API in front of the service answers these, whatever goes wrong behind it."""
UNKNOWN_MODEL = {"unknown-model", "refusal-form", "retry-after"}

UNAVAILABLE = (
    *("page", "edge-limited", "error", "error=3043, status=429", "rate-limited", "rate-limit=0", "quota=0"),
    *("quota-spent", "quota-spent=3036", "capacity", "capacity-above=0", "guardrails", "guardrails=answer"),
    *("no-answer", "no-answer=reset", "no-answer=hang", "cut", "reset", "hang", "gzip=broken"),
)
"""They let nothing be tested that is answered, and so contradict nothing."""

REFUSED = ("error=5012", "context-overflow", "page=404")
"""Every request is refused, which contradicts all that is said of answers."""

UNSEEN = {
    "times": "counts for other faults",
    "latency=0.001": "takes time, which is not measured",
    "jitter=0.001": "takes time, as above",
    "merge": "changes when bytes come, not which",
    "split=50": "as above",
    "drip=0": "as above",
    "gzip": "is undone by httpx",
    "form=envelope": "is the form anyway",
    "shape=native": "is the shape anyway",
    "tokens=values": "is the default",
    "padding=on": "is the default",
    "truncate=character": "breaks in a character beyond ASCII, and there is none",
    "queue-templated": "changes what a model makes of a prompt, not the form of the answer",
    "queue-limit": "refuses more items than are sent",
    "queue-delay=0.02": "takes time, as above",
    "queue-form=1": "is the form anyway",
    "queue-keyed=both": "is the default",
}
"""Faults that cannot show here, and why."""

UNTESTABLE = {
    "queue-stuck": RESULTS,
    "queue-broken": RESULTS,
    "queue-broken=status": RESULTS,
    "busy=0.01": {"reject-if-busy"},
}
"""They leave these statements untested and contradict none."""
