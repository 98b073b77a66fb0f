"""Tools of Cloudflare's from npm, in a temporary folder: `make worker` runs these tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SDK = ("ai@7", "workers-ai-provider@4", "zod@4")
PACKAGES = ("wrangler@4", "miniflare-4@npm:miniflare@4", "typescript", "@cloudflare/workers-types", "@types/node", *SDK)
VITE_PACKAGES = ("vite@7", "@cloudflare/vite-plugin@1", "vitest@4", "@cloudflare/vitest-plugin@1")
PATIENCE = 300
"""Seconds after which something hangs."""


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.worker)


class Tools:
    """The installed packages, and a way to run them without a network."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = os.environ | {
            "CI": "1",
            "NO_PROXY": "127.0.0.1",
            "WRANGLER_SEND_METRICS": "false",
            "XDG_CONFIG_HOME": str(folder / "config"),
        }

    def command(self, tool, *arguments):
        program = tool if tool == "node" else str(self.folder / "node_modules" / ".bin" / tool)
        return [program, *map(str, arguments)]

    def run(self, tool, *arguments):
        """Run a tool to its end and return what it prints."""
        command = self.command(tool, *arguments)
        done = subprocess.run(  # noqa: S603 - what npm has just installed
            command, capture_output=True, text=True, env=self.environment, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def started(self, tool, *arguments, cwd):
        """Start a tool and yield the lines that it prints; stop it in the end, by its id."""
        process = subprocess.Popen(  # noqa: S603 - as above
            self.command(tool, *arguments),
            cwd=cwd,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process.stdout
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE)

    def copy(self, name):
        """Put one of the programs here beside the packages that it imports."""
        copy = self.folder / name
        copy.write_text((HERE / "workers" / name).read_text("utf-8"), "utf-8")
        return copy

    def build(self, name, target):
        """Compile one of the Workers here to JavaScript."""
        copy = self.copy(name)
        self.run(
            "esbuild", copy, "--bundle", "--format=esm", f"--outfile={target}", "--log-level=error", "--external:node:*"
        )


def installed(folder, packages):
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("Node.js and npm are not installed")
    (folder / "package.json").write_text(json.dumps({"private": True, "type": "module"}))
    npm = ["npm", "install", "--no-audit", "--no-fund", "--silent", *packages]
    done = subprocess.run(npm, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False)  # noqa: S603 - fixed
    if done.returncode:
        pytest.skip(f"npm cannot install {', '.join(packages)}: {done.stderr.strip()[-500:]}")
    return Tools(folder)


@pytest.fixture(scope="session")
def tools(tmp_path_factory):
    return installed(tmp_path_factory.mktemp("npm"), PACKAGES)


@pytest.fixture(scope="session")
def vite_tools(tmp_path_factory):
    tools = installed(tmp_path_factory.mktemp("vite"), ())
    version = tools.run("node", "--version").strip()
    if int(version[1:].partition(".")[0]) < 22:
        pytest.skip(f"Cloudflare's plugins for Vite and Vitest need Node.js 22, not {version}")
    return installed(tools.folder, VITE_PACKAGES)
