"""Statements about streams of the native route."""

from __future__ import annotations

from cf_llama.verify.answer import DONE
from cf_llama.verify.experiment import Experiment, ask
from cf_llama.verify.experiments import stream_observations
from cf_llama.verify.experiments.stream_observations import FRAMED, finish_of, increments_of, stream_of, usage_of
from cf_llama.verify.experiments.whole_answers import SHAPES, STREAMED_HELLO

DIGITS = ask("Count from 1 to 12, separated by single spaces.", stream=True, max_tokens=40)
FINISH_SWITCHES = {"none": "finish-reason", "at the top": "finish-reason=top"}
END_SWITCHES = {"no mark": "no-done", r"an error in the form (\w+)": r"error-event=\1"}
USAGE_SWITCHES = {"no counts": "no-usage", "increments without a sum": "no-usage=closing"}
INCREMENT_SWITCHES = {"counts beside native text": "increments", "no counts beside text": "no-usage=increments"}


STREAMS = (
    Experiment(
        name="stream",
        statement="A request with stream: true is answered by events.",
        section="2",
        requests=(STREAMED_HELLO,),
        expected="events",
        observe=stream_observations.answered_by,
        switches={"a recording": "recorded", "a whole answer": "json-answer", "the end alone": "nothing=events"},
    ),
    Experiment(
        name="stream-framing",
        statement="Each event is one line of data and a blank line, with nothing between them.",
        section="2",
        requests=(STREAMED_HELLO,),
        expected=FRAMED,
        observe=stream_observations.framing,
        switches={r"(bom|crlf|cr|fields|blank-data|no-space|no-blank-lines|malformed)": r"framing=\1"},
    ),
    Experiment(
        name="stream-done",
        statement="A stream ends with [DONE].",
        section="2, 2.6 #22",
        requests=(STREAMED_HELLO,),
        expected=DONE,
        observe=stream_observations.end,
        switches=END_SWITCHES,
    ),
    Experiment(
        name="stream-padding",
        statement="Events carry p, random padding of at most 36 characters.",
        section="2.1",
        requests=(STREAMED_HELLO,),
        expected="some characters",
        observe=stream_observations.padding,
        switches={"none": "padding=off", r"(\d+) KB": r"huge-event=\1"},
    ),
    Experiment(
        name="stream-shape",
        statement="Events of a stream have the native shape.",
        section="2.2 #1",
        requests=(STREAMED_HELLO,),
        expected="native",
        observe=stream_observations.shape_of,
        switches=SHAPES,
    ),
    Experiment(
        name="stream-digits",
        statement="A piece of digits arrives in response as a number.",
        section="2.3",
        requests=(DIGITS,),
        expected="int",
        observe=stream_observations.digits,
        switches={"str": "tokens=text"},
    ),
    Experiment(
        name="stream-empty-text",
        statement="An event without text has an empty string.",
        section="2.1, 2.3",
        requests=(STREAMED_HELLO,),
        expected="an empty string",
        observe=stream_observations.empty,
        switches={"null": "nulls"},
    ),
    Experiment(
        name="stream-copies",
        statement="Where an event has its text twice, both copies are filled.",
        section="2.2",
        requests=(STREAMED_HELLO,),
        expected="the same",
        observe=stream_observations.copies,
        switches={"an empty copy": "empty-beside"},
    ),
    Experiment(
        name="stream-usage",
        statement="A stream has the counts of the whole answer.",
        section="2.5",
        requests=(STREAMED_HELLO,),
        expected="a sum",
        observe=lambda answers: usage_of(stream_of(answers[0])),
        switches=USAGE_SWITCHES,
    ),
    Experiment(
        name="stream-increments",
        statement="Events of text count tokens in the shapes with choices, and not in the native one.",
        section="2.5",
        requests=(STREAMED_HELLO,),
        expected="as the shape has it",
        observe=lambda answers: increments_of(stream_of(answers[0])),
        switches=INCREMENT_SWITCHES,
    ),
    Experiment(
        name="stream-usage-once",
        statement="The closing counts come once, in the hybrid shape twice.",
        section="2.5",
        requests=(STREAMED_HELLO,),
        expected="as the shape has it",
        observe=stream_observations.repeated_sum,
        switches={
            "once more, the same": "usage-twice",
            "once more, as zeros": "usage-twice=zeros",
            "once more, with details": "usage-twice=details",
        },
    ),
    Experiment(
        name="stream-last-text",
        statement="The event that ends an answer has no text.",
        section="2.2",
        requests=(STREAMED_HELLO,),
        expected="before the end",
        observe=stream_observations.last_text,
        switches={"on the event that ends the answer": "text-at-end"},
    ),
    Experiment(
        name="stream-finish",
        statement="A stream that has choices says in them why it ended.",
        section="2.2",
        requests=(STREAMED_HELLO,),
        expected="stop",
        observe=lambda answers: finish_of(stream_of(answers[0])),
        switches=FINISH_SWITCHES,
    ),
)
