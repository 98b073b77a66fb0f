"""What goes out under a fault, byte for byte."""

import httpx
import pytest

from tests.cf_llama_emulator.client import MODEL
from tests.cf_llama_emulator.faults.wire_bytes import ASK, WORDS


@pytest.fixture
def sent(script):
    """Return a function that gives the chunks of an answer and how it ended."""

    def send(faults, *, stream=True, turn=WORDS, read=None, **settings):
        client = script(turn, padding=False, **settings)
        url, headers = f"{client.account}/ai/run/{MODEL}", {"x-emulator-faults": faults}
        chunks, timeout = [], read or (2 if "hang" in faults else 30)
        try:
            with client.http.stream(
                "POST", url, json=ASK | {"stream": stream}, headers=headers, timeout=timeout
            ) as answer:
                chunks.extend(answer.iter_raw())
        except httpx.HTTPError as error:
            return chunks, type(error)
        return chunks, answer

    return send
