"""The emulator stands on its own: it must not certify the project's own readings of the wire."""

import ast
from pathlib import Path

import cf_llama_emulator

PACKAGE = Path(cf_llama_emulator.__file__).parent
OURS = {"cf_llama", "langchain_cf_llama", "llama_index_cf_llama"}


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def test_the_emulator_imports_none_of_ours():
    files = sorted(PACKAGE.rglob("*.py"))
    assert len(files) > 20
    found = {path.name: {name.split(".")[0] for name in imports_of(path)} & OURS for path in files}
    assert {name: names for name, names in found.items() if names} == {}
