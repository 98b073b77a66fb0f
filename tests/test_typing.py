"""What a user's type checker says, without a plugin, and that the keyword arguments it knows are those there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cf_llama import Settings
from cf_llama.config.setting_options import SettingsOptions
from langchain_cf_llama import ChatCloudflareLlama, CloudflareLlamaLLM
from langchain_cf_llama.options import ChatModelOptions, LLMOptions
from llama_index_cf_llama import CloudflareLlama
from llama_index_cf_llama.options import ModelOptions

ROOT = Path(__file__).parents[1]
PROGRAMS = ROOT / "tests" / "typing"


def run(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - checkers


def mypy(program, tmp_path):
    """The lines with a finding."""
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = True\n")
    options = ["--config-file", str(tmp_path / "mypy.ini"), "--cache-dir", str(ROOT / ".mypy_cache" / "user")]
    done = run(sys.executable, "-m", "mypy", *options, "--no-error-summary", str(program))
    return {int(line) for line in re.findall(rf"{program.name}:(\d+): error", done.stdout)}, done.stdout + done.stderr


def pyright(program, _):
    """The lines with a finding."""
    if shutil.which("node") is None:
        pytest.skip("pyright needs node, which is not installed")
    done = run(sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson", str(program))
    try:
        found = json.loads(done.stdout)["generalDiagnostics"]
    except json.JSONDecodeError:
        pytest.skip("pyright could not be fetched from the npm registry")
    assert json.loads(done.stdout)["summary"]["filesAnalyzed"] == 1
    errors = [each for each in found if each["severity"] == "error"]
    return {each["range"]["start"]["line"] + 1 for each in errors}, json.dumps(errors, indent=1)


@pytest.fixture(params=[mypy, pyright])
def findings(request, tmp_path):
    return lambda name: request.param(PROGRAMS / name, tmp_path)


def test_every_documented_call_is_taken(findings):
    lines, said = findings("accepted.py")
    assert lines == set(), said


def test_slips_are_found(findings):
    marked = (PROGRAMS / "refused.py").read_text("utf-8").splitlines()
    lines, said = findings("refused.py")
    assert lines == {number for number, line in enumerate(marked, 1) if line.endswith("# wrong")}, said


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (Settings, SettingsOptions),
        (ChatCloudflareLlama, ChatModelOptions),
        (CloudflareLlamaLLM, LLMOptions),
        (CloudflareLlama, ModelOptions),
    ],
)
def test_checkers_know_every_field_and_no_other(model, options):
    assert options.__optional_keys__ == model.model_fields.keys() | {"api_key"}
