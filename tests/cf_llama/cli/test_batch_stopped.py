"""The command `batch` in a process of its own: stopped and killed, and run again to the end."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from cf_llama_emulator.server import serve

ROWS = 60
QUICK = ("first_poll=0.02", "longest_poll=0.05", "max_items=5", "max_waiting=2")
FAULTS = "queue-shuffled, queue-delay=0.1, queue-failed=0.2, queue-missing=0.1"
COMMAND = "from cf_llama.cli import main; main()"


@pytest.fixture
def begin(monkeypatch, tmp_path):
    """Return a function that starts the command; the emulator, with its queue, outlives it."""
    rows = (json.dumps({"prompt": f"page {n}", "reference": f"row {n}"}) for n in range(ROWS))
    (tmp_path / "in.jsonl").write_text("\n".join(rows), "utf-8")
    with serve(faults=FAULTS) as running:
        account = {"CLOUDFLARE_ACCOUNT_ID": running.account_id, "CLOUDFLARE_API_TOKEN": running.api_token}
        environment = {**os.environ, "CLOUDFLARE_BASE_URL": running.base_url, **account}
        options = [part for option in QUICK for part in ("--batch", option)]
        files = [str(tmp_path / "in.jsonl"), str(tmp_path / "out.jsonl")]

        def start():
            return subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-c", COMMAND, "batch", *files, *options],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )

        yield start, running, tmp_path / "out.jsonl"


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT], ids=["kill", "ctrl-c"])
def test_every_row_ends_once_however_often_it_is_stopped(begin, stop):
    start, emulator, out = begin
    for _ in range(4):
        process, seen = start(), len(emulator.requests)
        while process.poll() is None and len(emulator.requests) < seen + 6:
            time.sleep(0.01)
        process.send_signal(stop)
        said = process.communicate(timeout=60)
        assert emulator.api_token not in "".join(said)
        if stop is signal.SIGINT and process.returncode:
            assert "Traceback" not in said[1], said
    last = start()
    said = last.communicate(timeout=120)
    assert "Traceback" not in said[1], said
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [row["reference"] for row in rows] == [f"row {n}" for n in range(ROWS)]
    for place, row in enumerate(rows):
        assert ("error" in row) != ("text" in row)
        assert row.get("text", f"You said: page {place}") == f"You said: page {place}"
