"""Every code the service is known to refuse with: its status and its text.

Sources: Cloudflare docs, "Workers AI: errors" and "AI Gateway: troubleshooting"; codes that the pages leave out follow
recorded answers.
"""

from __future__ import annotations

from cf_llama_emulator.wire.errors import FrontError, ServiceError

AI_SERVICE: dict[int, tuple[int, str]] = {
    3003: (400, "Incomplete request: no body or headers"),
    3006: (413, "Request is too large"),
    3007: (408, "Timeout"),
    3008: (408, "Aborted"),
    3010: (429, "Overloaded"),
    3021: (429, "rate limiting: inference request per min rate reached"),
    3023: (403, "Service unavailable for account"),
    3030: (400, "Internal Server Error"),
    3036: (429, "You have used up your daily free allocation of 10,000 neurons."),
    3039: (400, "Finetune is missing required files"),
    3040: (429, "Capacity temporarily exceeded, please try again."),
    3041: (403, "Account not allowed for private model"),
    3042: (404, "Invalid model ID"),
    3043: (500, "Internal server error"),
    3046: (408, "Request timeout"),
    3050: (503, "Max retries exhausted"),
    4006: (
        429,
        (
            "you have used up your daily free allocation of 10,000 neurons, "
            "please upgrade to Cloudflare's Workers Paid plan if you would like to continue usage."
        ),
    ),
    5001: (500, "Model execution failed"),
    5004: (400, "Invalid data supplied: not base64"),
    5005: (405, "LoRA is unsupported for this model"),
    5006: (400, "Bad input: Error: oneOf at '/' not met, 0 matches: required properties at '/' are 'prompt'"),
    5007: (400, "No such model or task"),
    5012: (422, "Validation of input values failed"),
    5016: (403, "Model agreement has not been accepted"),
    5018: (403, "Account not allowed for private model"),
    5019: (405, "Deprecated SDK version"),
    5021: (
        413,
        (
            "The estimated number of input and maximum output tokens (25136) "
            "exceeded this model context window limit (24000)."
        ),
    ),
    5023: (400, "JSON Schema mode is not supported with stream mode."),
    5024: (400, "JSON Mode couldn't be met"),
    5025: (400, "This model doesn't support JSON Schema."),
    5028: (410, "This model was deprecated"),
    5034: (403, "This account cannot use this model"),
    5035: (403, "This model needs the Workers Paid plan"),
    7009: (502, "Upstream service unavailable"),
    8001: (400, "Invalid input"),
    8004: (500, "Internal server error"),
    8005: (500, "Internal server error"),
    8006: (400, "The forced tool call does not fit into max_tokens"),
    8007: (400, "Bad request"),
    8008: (500, "Internal server error"),
}

API_FRONT: dict[int, tuple[int, str]] = {
    1000: (401, "Invalid API Token"),
    1010: (403, "Access denied"),
    1015: (429, "You are being rate limited"),
    1031: (403, "Authentication error"),
    7000: (400, "No route for that URI"),
    7001: (405, "POST not supported for requested URI."),
    7003: (404, "Could not route, perhaps your object identifier is invalid?"),
    9106: (400, "Authentication failed: missing or malformed headers"),
    9109: (403, "Unauthorized to access requested resource"),
    10000: (401, "Authentication error"),
}

GATEWAY: dict[int, tuple[int, str]] = {
    2001: (400, "Please configure AI Gateway in the Cloudflare dashboard"),
    2003: (429, "Rate limited"),
    2005: (400, "Failed to get response from provider"),
    2009: (401, "Unauthorized"),
    2014: (504, "Request timeout"),
    2016: (400, "Prompt blocked due to security configurations"),
    2017: (400, "Response blocked due to security configurations"),
    2021: (402, "Insufficient balance"),
    2040: (400, "Unknown alias"),
    2041: (429, "Spend limit exceeded"),
    2045: (429, "Spend limit exceeded"),
}


def error_of(code: float) -> ServiceError:
    """Return the refusal with this code; one that is not known is 400."""
    code = int(code)
    status, text = (AI_SERVICE | GATEWAY | API_FRONT).get(code, (400, "Something new"))
    return (FrontError if code in API_FRONT else ServiceError)(status, code, text)
