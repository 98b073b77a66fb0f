"""Messages of one line and of several."""

import io

import pytest

from cf_llama.cli.line_input import read_message, terminal_lines


def typed(*lines):
    """Return a function that reads one line after another, and those prompts that it showed."""
    left, prompts = list(lines), []

    def read(prompt):
        prompts.append(prompt)
        if not left:
            raise EOFError
        return left.pop(0)

    return read, prompts


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["one"], "one"),
        (["one\\", "two\\", "three"], "one\ntwo\nthree"),
        (["one\\"], "one"),
        (["pasted\nin one"], "pasted\nin one"),
    ],
)
def test_a_backslash_goes_on(lines, message):
    read, prompts = typed(*lines)
    assert read_message(read, lambda: False) == message
    assert prompts == ["> ", "… ", "… "][: len(prompts)]


def test_the_rest_of_a_pasted_block_belongs_to_the_message():
    waiting = [True, True, False]
    assert read_message(typed("one", "two", "three", "next")[0], lambda: waiting.pop(0)) == "one\ntwo\nthree"


def test_the_end_of_the_input_is_no_message():
    with pytest.raises(EOFError):
        read_message(typed()[0], lambda: False)


def test_input_that_is_no_terminal_has_no_prompts_and_a_message_on_each_line(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("one\ntwo\n"))
    read_line, more = terminal_lines()
    assert read_message(read_line, more) == "one"
    assert read_message(read_line, more) == "two"
    assert capsys.readouterr().out == ""


def test_prompts_are_not_among_answers_that_go_to_a_file(monkeypatch, capsys):
    typed_text = io.StringIO("one\n")
    monkeypatch.setattr(typed_text, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", typed_text)
    read_line, _ = terminal_lines()
    assert read_message(read_line, lambda: False) == "one"
    assert capsys.readouterr() == ("", "> ")
