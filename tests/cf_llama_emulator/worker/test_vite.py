"""Cloudflare's plugins for Vite and for Vitest."""

from __future__ import annotations

import re

import httpx
import pytest

from cf_llama_emulator.testing import ScriptedEmulator
from cf_llama_emulator.worker import WRANGLER, worker_files

CONFIG = (
    '{ "name": "w", "main": "whole.ts", "compatibility_date": "2026-04-01", "ai": { "binding": "AI", "remote": true } }'
)
VITE = """
import { cloudflare } from "@cloudflare/vite-plugin";
import { defineConfig } from "vite";
export default defineConfig({ plugins: [cloudflare({ configPath: %r })] });
"""
VITEST = """
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
const remoteProxyConnectionString = new URL("/__emulator/binding", %r);
export default defineConfig({
  plugins: [
    cloudflareTest({
      wrangler: { configPath: "./wrangler.jsonc" },
      remoteBindings: false,
      miniflare: { ai: { binding: "AI", remoteProxyConnectionString } },
    }),
  ],
});
"""
TEST = """
import { exports } from "cloudflare:workers";
import { expect, it } from "vitest";
import { Emulator } from "./emulator.ts";
const emulator = new Emulator(%r);
it("answers what the emulator is told to", async () => {
  await emulator.say("From a test.");
  const response = await exports.default.fetch("http://worker/");
  expect((await response.json()).response).toBe("From a test.");
});
"""


@pytest.fixture
def emulator():
    with ScriptedEmulator() as emulator:
        yield emulator


@pytest.fixture
def folder(vite_tools, emulator):
    """The page's example as `whole.ts`, beside the packages."""
    vite_tools.copy("whole.ts")
    for name, text in worker_files(vite_tools.folder, emulator.base_url, "whole.ts").items():
        (vite_tools.folder / name).write_text(text, "utf-8")
    return vite_tools.folder


def test_vite_serves_a_worker_with_the_configuration_for_wrangler(vite_tools, folder, emulator):
    (folder / "vite.config.ts").write_text(VITE % WRANGLER)
    emulator.say("From a program.")
    with vite_tools.started("vite", "--host", "127.0.0.1", "--port", "0", cwd=folder) as lines:
        told = []
        for line in lines:
            told.append(re.sub("\x1b\\[[0-9;]*m", "", line))
            if ready := re.search(r"Local:\s+(http://127\.0\.0\.1:\d+)", told[-1]):
                break
        else:
            pytest.fail("".join(told))
        assert httpx.get(ready[1], timeout=60).json()["response"] == "From a program."


def test_vitest_runs_a_remote_binding_on_the_emulator(vite_tools, folder, emulator):
    (folder / "wrangler.jsonc").write_text(CONFIG)
    (folder / "vitest.config.ts").write_text(VITEST % emulator.base_url)
    (folder / "worker.test.ts").write_text(TEST % emulator.base_url)
    assert "1 passed" in vite_tools.run("vitest", "run", "--root", folder, "--testTimeout", 60_000)
    assert emulator.requests[0].body["messages"][0]["content"] == "You are a friendly assistant"
