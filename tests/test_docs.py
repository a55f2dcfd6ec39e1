"""The documentation is true: its snippets run, its links lead somewhere, its headings equal the code."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path

import pytest

from hlmon import hookspecs

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("packages/*/README.md")])
PAGE_IDS = [str(page.relative_to(ROOT)) for page in PAGES]
HOOKS = [name for name in vars(hookspecs) if name.startswith("hlmon_")]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_the_python_snippets_of_a_page_run_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scope = {"__name__": "snippet"}
    for number, snippet in enumerate(blocks(page, "python"), 1):
        exec(compile(snippet, f"{page.name}, snippet {number}", "exec"), scope)


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_toml_and_links_of_a_page_are_valid(page):
    for block in blocks(page, "toml"):
        tomllib.loads(block)
    targets = re.findall(r"!?\[[^\]]*\]\(([^)\s#]+)(?:#[^)]*)?\)", page.read_text())
    local = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("hook", HOOKS)
def test_each_hook_has_a_heading_equal_to_its_signature(hook):
    signature = f"{hook}{inspect.signature(getattr(hookspecs, hook))}".replace("'", "")
    headings = re.findall(r"^#+ `?(hlmon_\w+\(.*?)`?$", (ROOT / "docs/plugins.md").read_text(), re.MULTILINE)
    assert signature in headings


def test_every_page_of_the_docs_can_be_reached_from_the_readme():
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        links = re.findall(r"\]\(([^)\s#:]+\.md)", page.read_text())
        waiting.extend((page.parent / link).resolve() for link in links)
    assert [page for page in ROOT.glob("docs/**/*.md") if page.resolve() not in reached] == []
