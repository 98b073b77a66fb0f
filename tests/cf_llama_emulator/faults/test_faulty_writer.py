"""The last text rides on the event that ends an answer, and none is lost."""

import pytest

from cf_llama_emulator.faults.faulty_writer import FaultyWriter, last_text_with_finish
from cf_llama_emulator.wire.engine_protocol import Call, End
from cf_llama_emulator.wire.writers import WRITERS

END = End("stop", 1, 2)


def steps(shape, *said):
    """Return the events of each step, the end last."""
    writer = FaultyWriter(WRITERS[shape]("m", 1, pads=False), [last_text_with_finish()])
    return [writer.call(each) if isinstance(each, Call) else writer.text(each) for each in said] + [writer.finish(END)]


def text(event):
    return event.get("response", "") or next(
        (choice["delta"].get("content") for choice in event.get("choices", ())), ""
    )


@pytest.mark.parametrize("shape", WRITERS)
def test_each_text_goes_out_with_the_next_and_the_last_at_the_end(shape):
    first, second, third, end = steps(shape, "a", "b", "c")
    assert (first, [text(event) for event in second + third]) == ([], ["a", "b"])
    assert [text(event) for event in end if text(event)] == ["c"]
    assert len(end) == len(steps(shape)[-1])


@pytest.mark.parametrize("shape", WRITERS)
def test_text_before_a_call_goes_out_before_it(shape):
    _, called, end = steps(shape, "a", Call("f", {}))
    assert text(called[0]) == "a"
    assert not any(map(text, end))
