"""The statements about the service, each with the experiment that tests it.

A module holds the statements about one part of the service. What experiments have in common belongs in `experiment`,
how an answer is taken apart belongs in `answer`.
"""

from cf_llama.verify.experiments.gateway import gateway_experiments
from cf_llama.verify.experiments.json_mode import JSON_MODE
from cf_llama.verify.experiments.openai_route import OPENAI_ROUTE
from cf_llama.verify.experiments.parameters import PARAMETERS
from cf_llama.verify.experiments.queue import QUEUE
from cf_llama.verify.experiments.refusals import REFUSALS
from cf_llama.verify.experiments.streams import STREAMS
from cf_llama.verify.experiments.tool_calls import TOOL_CALLS
from cf_llama.verify.experiments.whole_answers import WHOLE_ANSWERS

__all__ = ["EXPERIMENTS", "QUEUE", "gateway_experiments"]

EXPERIMENTS = (*WHOLE_ANSWERS, *STREAMS, *TOOL_CALLS, *JSON_MODE, *PARAMETERS, *REFUSALS, *OPENAI_ROUTE)
"""All that need nothing but an account, in the order in which they are asked."""
