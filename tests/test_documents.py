"""What the documents show is run: the notebooks, the code of the README and of each page, and the demonstration."""

import asyncio
import doctest
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
from llama_index.core.instrumentation import get_dispatcher
from nbclient import NotebookClient

from cf_llama_emulator.server.threaded import serve

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture
def no_account(tmp_path, monkeypatch):
    """An environment with no model, and as everywhere with no account: the emulator answers by rules."""
    monkeypatch.setenv("CF_LLAMA_CACHE", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, no_account):
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(ROOT)}}).execute()
    streams = [
        output for cell in notebook.cells for output in cell.get("outputs", []) if output.get("name") == "stdout"
    ]
    assert any("fixed rules" in output["text"] for output in streams)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_saved_with_the_output_of_a_local_model(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    assert "thinking with qwen2.5-coder" in str(cells[0].outputs)
    assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)


def test_demonstration_runs_without_account_and_model(no_account):
    run = subprocess.run([sys.executable, ROOT / "examples/demo.py"], capture_output=True, text=True, check=True)  # noqa: S603 - our own script
    assert "calls order_status({'order_id': '1042'})" in run.stdout
    assert "27 days of paid leave" in run.stdout
    assert "source: leave.md (0." in run.stdout
    shown = (ROOT / "docs/offline.md").read_text("utf-8")
    assert re.findall(r"^── .*", shown, re.MULTILINE) == re.findall(r"^── .*", run.stdout, re.MULTILINE)


@pytest.mark.parametrize("page", ["README.md", "docs/guides/quickstart.md"])
def test_the_first_installation_brings_all_that_the_page_runs(page):
    first = re.search(r"^pip install .*", (ROOT / page).read_text("utf-8"), re.MULTILINE)[0]
    extras = re.findall(r"\[([\w,-]+)\]", first)
    assert extras
    assert all({"cli", "all"} & set(each.split(",")) for each in extras)  # `cf-llama doctor` and `serve` follow


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODE = [
    pytest.param(code, shown, id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    for number, (code, shown) in enumerate(
        re.findall(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", page.read_text("utf-8"), re.DOTALL)
    )
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)", page.read_text("utf-8"))
    assert all((page.parent / link).exists() for link in links if "://" not in link)


@pytest.mark.parametrize("name", ["mkdocs.yml", "docs/llms.txt"])
def test_every_page_of_the_site_is_listed_once(name):
    listed = re.findall(r"(?:- |\()([\w/-]+\.md)\b", (ROOT / name).read_text("utf-8"))
    pages = [str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")]
    assert sorted(listed) == sorted(pages)


@pytest.mark.skipif(find_spec("mkdocs") is None, reason="the group docs is not installed")
def test_the_site_is_built_without_a_warning(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - as above
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert (tmp_path / "guides" / "quickstart.html").exists()


@pytest.fixture
def event_loop_of_the_thread():
    """One that is closed in the end: LlamaIndex makes one where there is none, and leaves it open."""
    with asyncio.Runner() as runner:
        asyncio.set_event_loop(runner.get_loop())
        yield
        asyncio.set_event_loop(None)


@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")  # LlamaIndex's agents warn
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince211")
@pytest.mark.parametrize(("code", "shown"), [code for code in CODE if "def test_" not in code.values[0]])
def test_code_runs_and_prints_what_is_shown(code, shown, monkeypatch, capsys, event_loop_of_the_thread):
    monkeypatch.setattr(get_dispatcher(), "event_handlers", [])  # the next page has none of this one's
    with serve() as emulator:
        monkeypatch.setenv("CLOUDFLARE_BASE_URL", emulator.base_url)
        monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", emulator.account_id)
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", emulator.api_token)
        exec(compile(code, "a page", "exec"), {"__name__": "page"})  # noqa: S102 - our own document
    printed = capsys.readouterr().out
    assert printed.strip()
    assert not shown or same_output(shown, printed), printed


def same_output(shown, printed):
    """Whether a text block shows what was printed: "..." stands for anything, and any space for any other."""
    return doctest.OutputChecker().check_output(shown, printed, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)


def test_tests_pass(pytester):
    tests = {re.sub(r"\W", "_", f"test_{each.id}"): each.values for each in CODE if "def test_" in each.values[0]}
    assert not any(shown for _, shown in tests.values())
    pytester.makepyfile(**{name: code for name, (code, _) in tests.items()})
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2 * len(tests))
