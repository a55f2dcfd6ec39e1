"""The documentation is true: its snippets run, its links lead somewhere, its headings equal the code."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path

import pytest

from hlmon import Fact, hookspecs
from hlmon.events import STORED
from hlmon.journal import Journal

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


def headings(page: Path) -> set[str]:
    """What a link may name behind the #, as the site and GitHub make it."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    titles = (re.sub(r"[^\w\s-]", "", title).strip().lower() for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE))
    return {re.sub(r"\s", "-", title) for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_a_link_into_a_page_leads_to_one_of_its_headings(page):
    links = re.findall(r"\]\(([\w./-]*)#([^)\s]+)\)", page.read_text())
    assert [
        (target, place) for target, place in links if place not in headings((page.parent / target) if target else page)
    ] == []


@pytest.mark.parametrize("page", [page for page in PAGES if "sqlite3 " in page.read_text()], ids=lambda page: page.name)
def test_every_question_to_the_journal_is_one_that_it_answers(page, tmp_path):
    with Journal.open(tmp_path / "hlmon.db") as journal:
        for question in re.findall(r'sqlite3 [^"]*hlmon\.db "(select .*?)"', page.read_text()):
            journal.query(question)


def test_the_concepts_name_every_kind_of_event_with_its_view(tmp_path):
    rows = re.findall(r"^\| (`.*?) \| (fact|state) \| (.*) \|$", (ROOT / "docs/concepts.md").read_text(), re.MULTILINE)
    told = {
        kind: (is_a, view)
        for kinds, is_a, views in rows
        for kind, view in zip(re.findall(r"`(\w+)`", kinds), re.findall(r"`(\w+)`", views), strict=True)
    }
    assert {kind: is_a for kind, (is_a, _) in told.items()} == {
        kind: "fact" if issubclass(event, Fact) else "state" for kind, event in STORED.items()
    }
    with Journal.open(tmp_path / "hlmon.db") as journal:
        made = dict(journal.query("SELECT name, sql FROM sqlite_master WHERE type = 'view'"))
    assert made.keys() == {view for _, view in told.values()}
    assert [kind for kind, (_, view) in told.items() if f"kind = '{kind}'" not in made[view]] == []


def test_the_figures_of_the_comparison_are_those_that_were_measured():
    measured = dict(
        re.findall(
            r"^\| … against the SDK with (.*?) \| ([\d.]+) ", (ROOT / "docs/performance.md").read_text(), re.MULTILINE
        )
    )
    told = re.findall(r"([\d.]+) times", (ROOT / "docs/comparison.md").read_text())
    assert told == [measured["SQLite's defaults"], measured["WAL"]]


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
