"""The log of requests is bounded by their number and by their content."""

from cf_llama_emulator.server.request_log import LoggedRequest, RequestLog


def request(content):
    return LoggedRequest("POST", "/", {}, {"authorization": "secret"}, content)


def bodies(log):
    return [seen.content for seen in log]


def test_the_oldest_are_forgotten_beyond_a_number():
    log = RequestLog(2, 100)
    for content in (b"1", b"2", b"3"):
        log.remember(request(content))
    assert bodies(log) == [b"2", b"3"]


def test_the_oldest_are_forgotten_beyond_a_size():
    log = RequestLog(100, 10)
    for content in (b"1" * 4, b"2" * 4, b"3" * 4):
        log.remember(request(content))
    assert bodies(log) == [b"2" * 4, b"3" * 4]
    log.remember(request(b"4" * 11))
    assert bodies(log) == []


def test_what_was_cleared_takes_no_room():
    log = RequestLog(100, 10)
    log.remember(request(b"1" * 9))
    log.clear()
    log.remember(request(b"2" * 9))
    assert bodies(log) == [b"2" * 9]


def test_a_token_is_not_printed():
    assert "secret" not in repr(request(b""))


def test_a_request_is_shown_on_a_line_without_its_headers():
    assert str(request(b'{"a":\n 1}')) == 'POST / {"a": 1}'
    assert str(request(b"\xff" * 501)) == "POST / " + "\N{REPLACEMENT CHARACTER}" * 500 + "…"
