"""The house rules that a machine can check: imports go downwards, files and functions stay small, words are kept."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "packages/hlmon-core/src/hlmon"
PACKAGES = sorted(path for path in (ROOT / "packages").glob("*/src/*") if path.is_dir())
RUNTIME = sorted(file for package in PACKAGES for file in package.rglob("*.py"))
DEPLOY = ROOT / "deploy"
SOURCES = [*RUNTIME, DEPLOY / "app.py", *sorted((DEPLOY / "hlmon_deploy").rglob("*.py"))]
NOT_OURS = {"build", "cdk.out", "node_modules"}  # what other programs put beside our files
WRITTEN = sorted(
    file
    for folder in ("packages", "deploy", "bench", "tests")
    for file in (ROOT / folder).rglob("*.py")
    if NOT_OURS.isdisjoint(file.relative_to(ROOT).parts)
)

LAYERS = [
    {
        "deadline",
        "environment",
        "errors",
        "events",
        "output_thread",
        "plain",
        "problems",
        "redaction",
        "status",
        "stdout",
        "toml_lines",
        "units",
        "uptime",
    },
    {"addresses", "contract", "cost", "labels", "packages", "routing", "fields", "linking", "verify"},
    {
        "hookspecs",
        "config",
        "config_checks",
        "sections",
        "secret",
        "needs",
        "journal",
        "telemetry",
        "schedule",
        "watchdog",
    },
    {
        "ingest",
        "delivery",
        "plugin_files",
        "plugins",
        "hyperliquid",
        "derive",
        "rules",
        "sources",
        "sinks",
        "notifiers",
        "testing",
    },
    {"builtin", "commands", "exchange_time", "parts", "quarantine"},
    {"monitor"},
    {"check", "host"},
    {"cli"},
    {"__main__"},
]
PURE = ("books", "decode", "frames", "refusals", "requests", "resume", "wire")
ONLY_IN = {
    "sqlite3": {"journal", "sinks.jsonl"},  # the sink keeps a nameless index of its file
    "pluggy": {"plugins", "hookspecs"},
    "websockets": {"hyperliquid.connection"},
    "requests": {"hyperliquid.info"},
    "rich": {"cli"},
}
NOT_WORDS = re.compile(r"\b\w*(bus|topic|registry|manager|service|processor|handler|helper|util)s?\b", re.IGNORECASE)


def module_of(file: Path) -> str:
    parts = list(file.relative_to(CORE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> int | None:
    names = [".".join(module.split(".")[:length]) for length in range(len(module.split(".")), 0, -1)]
    return next((number for name in names for number, layer in enumerate(LAYERS) if name in layer), None)


def imports_of(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


CORE_FILES = sorted(CORE.rglob("*.py"))


def test_every_module_of_the_core_has_a_layer():
    assert [module_of(file) for file in CORE_FILES if module_of(file) and layer_of(module_of(file)) is None] == []


@pytest.mark.parametrize("file", CORE_FILES, ids=module_of)
def test_imports_go_downwards_only(file):
    module = module_of(file)
    if not module:
        return
    here = layer_of(module)
    imported = {name.removeprefix("hlmon.") for name in imports_of(file) if name.startswith("hlmon.")}
    upwards = {name for name in imported if (layer_of(name) or 0) > here}
    assert upwards == set()


@pytest.mark.parametrize(
    "file", [f for f in (CORE / "hyperliquid").glob("*.py") if f.name.startswith(PURE)], ids=module_of
)
def test_the_pure_half_of_the_exchange_knows_no_socket_no_loop_and_no_clock(file):
    imported = set(imports_of(file))
    assert imported.isdisjoint({"asyncio", "threading", "time", "logging", "random", "socket"})
    inside = {name.split(".")[2] for name in imported if name.startswith("hlmon.hyperliquid.")}
    assert [name for name in inside if not name.startswith(PURE)] == []


@pytest.mark.parametrize("library", ONLY_IN)
def test_each_library_is_known_to_one_part_only(library):
    users = {module_of(file) for file in CORE_FILES if library in {name.split(".")[0] for name in imports_of(file)}}
    allowed = ONLY_IN[library]
    assert {user for user in users if not any(user == a or user.startswith(f"{a}.") for a in allowed)} == set()


def test_only_one_module_reads_the_environment():
    readers = {module_of(f) for f in CORE_FILES if re.search(r"\bos\.(environ|getenv)\b|import environ", f.read_text())}
    assert readers == {"environment"}


def test_no_runtime_module_imports_the_deployment_library():
    libraries = ("aws_cdk", "constructs", "hlmon_deploy")
    assert [file for file in RUNTIME if any(name.startswith(libraries) for name in imports_of(file))] == []


@pytest.mark.parametrize("file", WRITTEN, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_file_is_longer_than_400_lines_and_no_function_than_50(file):
    text = file.read_text()
    assert len(text.splitlines()) <= 400
    functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [f.name for f in functions if f.end_lineno - f.lineno >= 50] == []


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_definitions_use_the_words_of_the_architecture(file):
    nodes = ast.walk(ast.parse(file.read_text()))
    names = [n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    words = [re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", name) for name in names]
    assert [name for name, spelled in zip(names, words, strict=True) if NOT_WORDS.search(spelled)] == []
