"""The command `worker`: it prints or writes what wrangler and workerd need."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from cf_llama.cli.commands import root
from cf_llama_emulator.settings import ACCOUNT_ID, API_TOKEN
from cf_llama_emulator.worker import worker_files

FILES = {"bridge.mjs", "wrangler-plugin.mjs", "wrangler.local.jsonc", "config.capnp", "emulator.ts"}


def run(*arguments):
    return CliRunner().invoke(root, ("worker", *map(str, arguments)))


def read_jsonc(text):
    return json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))


def dev_of(config):
    [binding] = config["unsafe"]["bindings"]
    assert binding["name"] == "AI"
    return binding["dev"]


def test_it_prints_a_configuration_with_the_installed_plugin():
    config = read_jsonc(run().output)
    dev = dev_of(config)
    assert Path(dev["plugin"]["package"]).is_absolute()
    assert Path(dev["plugin"]["package"]).is_file()
    assert config["main"] == "src/index.ts"
    expected = {"baseUrl": "http://127.0.0.1:8799/client/v4", "accountId": ACCOUNT_ID, "apiToken": API_TOKEN}
    assert dev["options"] == expected


@pytest.mark.parametrize("url", ["http://[::1]:9", "http://[::1]:9/", "http://[::1]:9/client/v4"])
def test_another_address_and_entry_file(url):
    config = read_jsonc(run("--url", url, "--main", 'worker"s.js').output)
    assert dev_of(config)["options"]["baseUrl"] == "http://[::1]:9/client/v4"
    assert config["main"] == 'worker"s.js'


def test_init_writes_everything_into_a_folder(tmp_path, monkeypatch):
    folder = tmp_path / "new" / "folder"
    monkeypatch.chdir(tmp_path)
    done = run("--init", folder, "--url", "http://127.0.0.1:9", "--main", "src/worker.js")
    assert done.exit_code == 0, done.output
    assert f"npx wrangler dev --config {folder / 'wrangler.local.jsonc'}" in done.output
    assert 'remoteProxyConnectionString: new URL("http://127.0.0.1:9/__emulator/binding")' in done.output
    assert {path.name for path in folder.iterdir()} == FILES
    config = read_jsonc((folder / "wrangler.local.jsonc").read_text("utf-8"))
    assert dev_of(config)["plugin"]["package"] == str(folder / "wrangler-plugin.mjs")
    assert dev_of(config)["options"]["baseUrl"] == "http://127.0.0.1:9/client/v4"
    assert '(name = "BASE_URL", text = "http://127.0.0.1:9/client/v4")' in (folder / "config.capnp").read_text("utf-8")
    assert config["main"] == "../../src/worker.js"
    assert run("--init", folder, "--url", "http://127.0.0.1:9", "--main", "src/worker.js").exit_code == 0


def test_init_spares_what_is_there_unless_forced(tmp_path):
    (tmp_path / "bridge.mjs").write_text("mine")
    refused = run("--init", tmp_path)
    assert refused.exit_code == 1
    assert "has other files of these names: bridge.mjs; see --force" in refused.output
    assert {path.name for path in tmp_path.iterdir()} == {"bridge.mjs"}
    assert run("--init", tmp_path, "--force").exit_code == 0
    assert (tmp_path / "bridge.mjs").read_text("utf-8") != "mine"


def test_a_folder_that_cannot_be_made_and_an_address_that_is_none(tmp_path):
    (tmp_path / "file").touch()
    done = run("--init", tmp_path / "file" / "folder")
    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert "cannot write to" in done.output
    assert "--url must begin with http:// or https://, not '127.0.0.1:9'" in run("--url", "127.0.0.1:9").output


def test_the_files_name_the_emulators_own_account_and_token():
    texts = worker_files(Path(), "http://127.0.0.1:8799/client/v4")
    for name in ("wrangler.local.jsonc", "config.capnp"):
        assert f'"{ACCOUNT_ID}"' in texts[name]
        assert f'"{API_TOKEN}"' in texts[name]
