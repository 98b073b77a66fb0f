"""Runs experiments: sends what they ask, each equal request once, and lets them judge."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from cf_llama.protocol import model
from cf_llama.verify.answer import Answer
from cf_llama.verify.experiment import Experiment, Request, Verdict

Send = Callable[[Request], Answer]
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 10.0
"""Seconds between polls: the first, and the most it grows to."""


def run_experiments(
    experiments: Iterable[Experiment], send: Send, sleep: Callable[[float], object] = time.sleep
) -> Iterator[tuple[Experiment, Verdict]]:
    """Yield each experiment with its verdict, as soon as it is known.

    Args:
        experiments: What to ask, in this order.
        send: Sends one request.
        sleep: Waits for so many seconds before a request; not at all but for polls.
    """
    known: dict[Request, Answer] = {}

    def ask(request: Request, pause: float = 0) -> Answer:
        if request not in known:
            sleep(pause)
            known[request] = send(request)
        return known[request]

    for experiment in experiments:
        answers = [ask(request) for request in experiment.requests]
        pause = FIRST_PAUSE
        while not answers[-1].failure and (following := experiment.follow(answers)):
            answers.append(ask(following, pause))
            pause = min(2 * pause, LONGEST_PAUSE)
        yield experiment, experiment.judge(answers)


def estimate(experiments: Iterable[Experiment]) -> tuple[int, int, int, float]:
    """Return how many requests will be sent, tokens in, most tokens out, and US dollars for both."""
    requests = {request for experiment in experiments for request in experiment.requests}
    prices = [request.price for request in requests]
    tokens_in, tokens_out = sum(price[0] for price in prices), sum(price[1] for price in prices)
    return len(requests), tokens_in, tokens_out, model.cost(tokens_in, tokens_out)
