"""What may stand behind a fault's name."""

import pytest

from cf_llama_emulator.faults.values import NOTHING, Number, OneOf, Pattern, Place, Places

AMOUNT = Pattern("SECONDS", "30", r"(\d+)(ms)?")


@pytest.mark.parametrize(
    ("takes", "text", "value"),
    [
        (NOTHING, None, None),
        (Number("S", 1.5), None, 1.5),
        (Number("S", 1.5), "0.25", 0.25),
        (Number("N", 7, whole=True), "3", 3),
        (OneOf(("a", "b")), None, "a"),
        (OneOf(("a", "b")), "b", "b"),
        (Places(("byte", "event")), None, Place("byte", 2)),
        (Places(("byte", "event")), "event", Place("event", 2)),
        (Places(("byte", "event")), "event@0", Place("event", 0)),
    ],
)
def test_reads(takes, text, value):
    assert takes.read(text) == value


def test_reads_a_pattern():
    assert AMOUNT.read(None).groups() == ("30", None)
    assert AMOUNT.read("5ms").groups() == ("5", "ms")


@pytest.mark.parametrize(
    ("takes", "text", "complaint"),
    [
        (NOTHING, "1", "takes no value"),
        (Number("SECONDS", 1, 0, 60), "61", "a number of SECONDS from 0 to 60, not '61'"),
        (Number("SECONDS", 1, 0, 60), "soon", "not 'soon'"),
        (Number("SECONDS", 1, 0, 60), "nan", "not 'nan'"),
        (Number("COUNT", 1, 0, 60, whole=True), "1.5", "a whole number of COUNT"),
        (OneOf(("a", "b")), "c", "one of a, b, not 'c'"),
        (AMOUNT, "soon", "must be SECONDS, not 'soon'"),
        (Places(("byte", "event")), "word@1", "one of byte, event, not 'word'"),
        (Places(("byte", "event")), "byte@-1", "a count of events behind the @, at most 9 digits, not '-1'"),
        (Places(("byte", "event")), "byte@" + "9" * 5000, "at most 9 digits"),
    ],
)
def test_refuses_and_says_what_is_allowed(takes, text, complaint):
    with pytest.raises(ValueError, match=complaint):
        takes.read(text)


@pytest.mark.parametrize(
    ("takes", "hint"),
    [
        (NOTHING, ""),
        (Number("SECONDS", 1), "=SECONDS (1)"),
        (OneOf(("a", "b")), "=a|b (a)"),
        (AMOUNT, "=SECONDS (30)"),
        (Places(("byte", "event")), "=byte|event[@EVENTS] (byte@2)"),
    ],
)
def test_hints_at_what_is_allowed(takes, hint):
    assert takes.hint == hint
