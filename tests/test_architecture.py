"""The arrows and the twins: who may import whom, and that the sync and the async form of a method do the same."""

from __future__ import annotations

import ast
import importlib
import re
from graphlib import TopologicalSorter
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FRAMEWORKS = {"langchain", "langchain_core", "langgraph", "llama_index"}
INTEGRATIONS = {"langchain_cf_llama", "llama_index_cf_llama"}
PACKAGES = {"cf_llama", *INTEGRATIONS, "cf_llama_emulator"}
FORBIDDEN = {
    "cf_llama": FRAMEWORKS | INTEGRATIONS | {"starlette", "uvicorn", "xllamacpp"},
    "langchain_cf_llama": {"llama_index_cf_llama", "llama_index", "cf_llama_emulator"},
    "llama_index_cf_llama": {"langchain_cf_llama", "langchain", "langchain_core", "cf_llama_emulator"},
    "cf_llama_emulator": {"cf_llama", *INTEGRATIONS, *FRAMEWORKS},
}
LEAVES = {"protocol.json_values", "protocol.model", "protocol.stop_sequences", "version"}
SOCKET = re.compile(r"transport\.(transport|binding|http(\.\w+)?)|verify\.client")
ON_TOP = re.compile(r"transport\.prepare|(batch|cli)(\.\w+)?")
"""What may stand on the transport."""
COMMAND_LINE = re.compile(r"cli(\.\w+)?")
DATA = {"Headers", "HTTPError", "InvalidURL", "Response", "Timeout", "URL", "codes"}
"""What of httpx is no socket."""


def sources(package):
    return {path: ast.parse(path.read_text("utf-8")) for path in sorted((ROOT / package).rglob("*.py"))}


def imported(tree):
    """Full names of modules, and of names out of modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_modules(tree, names, package="cf_llama"):
    """Modules of its package that a module imports, each by the longest name that there is."""
    for name in imported(tree):
        parts = name.split(".")
        known = (".".join(parts[1:length]) for length in range(len(parts), 1, -1) if parts[0] == package)
        yield from [module for module in known if module in names][:1]


def modules(package):
    names = (".".join(path.relative_to(ROOT / package).with_suffix("").parts) for path in sources(package))
    return dict(zip((name.removesuffix(".__init__") for name in names), sources(package).values(), strict=True))


CORE, EMULATOR = modules("cf_llama"), modules("cf_llama_emulator")


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_no_package_imports_what_is_not_below_it(package):
    for path, tree in sources(package).items():
        roots = {name.split(".")[0] for name in imported(tree)}
        assert not roots & FORBIDDEN[package], path


def at_the_top(tree):
    return ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])


def test_only_the_command_line_knows_the_emulator_and_only_when_it_runs():
    for name, tree in CORE.items():
        if not COMMAND_LINE.fullmatch(name):
            assert not any(re.match(r"cf_llama_emulator|cf_llama\.cli\b", n) for n in imported(tree)), name
    assert not any("cf_llama" in module for module in imported(at_the_top(CORE["cli"])))


def test_the_core_has_no_cycles_and_its_leaves_import_nothing_of_it():
    graph = {name: set(own_modules(tree, CORE.keys())) for name, tree in CORE.items() if name != "__init__"}
    assert list(TopologicalSorter(graph).static_order())
    assert {name: graph[name] for name in LEAVES} == {name: set() for name in LEAVES}
    above = {name for name, below in graph.items() if below & {"transport.transport"}}
    assert all(map(ON_TOP.fullmatch, above)), above


ROOMS = {
    "cf_llama": ["version", "protocol", "config", "transport", "batch", "verify", "cli"],
    "cf_llama_emulator": [
        *("wire", "hosts", "cassettes", "settings", "faults"),
        *("batch_queue", "engines", "playground", "server", "testing", "worker"),
    ],
}
"""Of a package, from the ground up."""


def without_types(tree):
    """Without what is imported for type checkers alone."""
    kept = [node for node in tree.body if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))]
    return ast.Module(kept, [])


@pytest.mark.parametrize(("package", "trees"), [("cf_llama", CORE), ("cf_llama_emulator", EMULATOR)])
def test_each_room_imports_what_is_below_it(package, trees):
    rooms = ROOMS[package]
    assert {name.split(".")[0] for name in trees} - {"__init__", "ray_data"} == set(rooms)
    for name, tree in trees.items():
        room = name.split(".")[0]
        if room in rooms:
            below = {module.split(".")[0] for module in own_modules(without_types(tree), trees.keys(), package)}
            assert below <= set(rooms[: rooms.index(room) + 1]), name


FOLDERS = [path for package in sorted(PACKAGES) for path in sorted((ROOT / package).rglob("__init__.py"))]


@pytest.mark.parametrize("path", FOLDERS, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_each_folder_says_what_belongs_in_it(path):
    told = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    assert len(told.splitlines()) > 2
    assert path.parent.name in PACKAGES or "belongs in" in told or "belong in" in told


def test_only_the_modules_of_the_socket_touch_one():
    for name, tree in CORE.items():
        attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
        of_httpx = {node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id == "httpx"}
        called = {node.attr for node in attributes} & {"send", "aread", "iter_bytes", "aiter_bytes", "aclose"}
        if not SOCKET.fullmatch(name) and not COMMAND_LINE.fullmatch(name):
            assert not of_httpx - DATA, name
            assert not called, name


# the twins


class Synchronous(ast.NodeTransformer):
    """An async function as its synchronous twin: no async and await, and names as the twin writes them."""

    def __init__(self, known):
        self.known = known

    def name(self, name):
        if name in self.known:
            return name
        candidates = (name.replace("async_", "").replace("Async", ""), re.sub(r"^(_*)a", r"\1", name))
        return next((new for new in candidates if new in self.known), {"asyncio": "time"}.get(name, name))

    def visit(self, node):
        for field in ("id", "attr", "arg", "name"):
            if isinstance(getattr(node, field, None), str):
                setattr(node, field, self.name(getattr(node, field)))
        return super().visit(node)

    def visit_Await(self, node):
        return self.visit(node.value)

    def visit_AsyncFor(self, node):
        return self.visit(ast.copy_location(ast.For(node.target, node.iter, node.body, node.orelse), node))

    def visit_AsyncWith(self, node):
        return self.visit(ast.copy_location(ast.With(node.items, node.body), node))

    def visit_AsyncFunctionDef(self, node):
        plain = ast.FunctionDef(node.name, node.args, node.body, node.decorator_list, node.returns)
        return self.visit(ast.copy_location(plain, node))

    def visit_FunctionDef(self, node):
        node.returns = node.type_comment = None
        self.generic_visit(node)
        return node

    def visit_arg(self, node):
        node.annotation = None
        return node

    def visit_comprehension(self, node):
        node.is_async = 0
        self.generic_visit(node)
        return node


def names_in(tree):
    fields = chain.from_iterable((getattr(n, field, None) for field in ("id", "attr", "arg")) for n in ast.walk(tree))
    return {name for name in fields if isinstance(name, str)} | {tree.name}


def body_of(function, known):
    statements = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return [ast.unparse(Synchronous(known).visit(statement)) for statement in statements]


def twins(tree):
    """Pairs of methods in one class, or functions in one module: `run` and `arun`, `_client` and `_async_client`."""
    for scope in (node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef)):
        functions = {each.name: each for each in scope.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
        for name, function in functions.items():
            for twin in (re.sub(r"^(_*)a", r"\1", name), name.replace("async_", "")):
                if twin != name and twin in functions:
                    yield functions[twin], function


UNLIKE = {
    "cf_llama/transport/http/dialing.py:async_resolve": "an event loop looks names up in its own thread",
    "cf_llama/transport/http/dialing.py:async_connect_to_any": "tasks race addresses; a thread takes them in turn",
    "cf_llama/transport/http/clients.py:shared_async_client": "one for each loop; all threads share one",
    "cf_llama/transport/transport.py:_async_client": "a Worker's binding can only be awaited",
    "cf_llama/transport/limits/admission.py:aenter": "a thread waits for an event, a task for a future",
    "cf_llama/config/budget.py:__aenter__": "nothing waits here: each is the other",
    "cf_llama/config/budget.py:__aexit__": "as above",
    "cf_llama/batch/request_collector.py:arun": "only tasks of one event loop are collected; others are sent alone",
    "langchain_cf_llama/llms.py:_agenerate": "LangChain's completions wait for many answers: in tasks, not threads",
    "llama_index_cf_llama/batch.py:abatch_queue": "the other runs this one",
}
"""Pairs that are no twins, and why."""

ALL_PAIRS = [
    (f"{path.relative_to(ROOT)}:{pair[1].name}", pair)
    for package in sorted(PACKAGES)
    for path, tree in sources(package).items()
    for pair in twins(tree)
]
PAIRS = [pytest.param(*pair, id=f"{name}:{pair[1].lineno}") for name, pair in ALL_PAIRS if name not in UNLIKE]


def test_what_is_unlike_is_there():
    assert UNLIKE.keys() <= {name for name, _ in ALL_PAIRS}


def test_there_are_twins_to_compare():
    assert len(PAIRS) >= 3


@pytest.mark.parametrize(("plain", "asynchronous"), PAIRS)
def test_twins_differ_only_in_async(plain, asynchronous):
    known = names_in(plain)
    assert body_of(asynchronous, known) == body_of(plain, known)


# what is shipped


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_a_package_is_typed_and_says_what_is_public(package):
    module = importlib.import_module(package)
    assert (ROOT / package / "py.typed").exists()
    names = getattr(module, "__all__", [])
    assert len(set(names)) == len(names)
    assert all(hasattr(module, name) for name in names)
    tree = ast.parse((ROOT / package / "__init__.py").read_text("utf-8"))
    own = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module.startswith(package)]
    public = {alias.asname or alias.name for node in own for alias in node.names}
    assert {name for name in public if not name.startswith("_")} <= set(names)


TEXT = {".py", ".md", ".toml", ".txt", ".ipynb", ".json", ".sse", ".html", ".yml", ".yaml", ".sh", ""}
SKIPPED = {".venv", ".ci-venv", ".git", "build", "dist", "node_modules"}
WORDS = ["py" + r"pi\.org", "python" + "hosted", "artif" + "actory", r"/wor" + r"k/", r"/roo" + r"t/\."]
PRIVATE = re.compile("|".join(WORDS))  # in pieces, or this file would be found


def test_no_registry_address_and_no_path_of_a_machine_is_in_the_tree():
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        if SKIPPED & set(parts) or any(part.startswith(".") and part != ".ci" for part in parts[:-1]):
            continue
        if path.is_file() and path.suffix in TEXT:
            assert not PRIVATE.search(path.read_text("utf-8", "replace")), path
