"""The documentation builds as a site: strictly, with every page in its navigation, and without the network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOWHERE = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")


@pytest.fixture
def project(tmp_path):
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    return tmp_path


def build(project):
    command = [Path(sys.executable).with_name("zensical"), "build", "--strict", "--clean"]
    environ = os.environ | NOWHERE | {"NO_COLOR": "1"}
    return subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True, check=False)


def test_it_builds_strictly_and_no_page_calls_another_host(project):
    built = build(project)
    assert built.returncode == 0, built.stdout + built.stderr
    pages = list((project / "site").rglob("*.html"))
    assert len(pages) > len(list((project / "docs").glob("*.md")))
    loaded = re.compile(r'<(?:script|img|iframe)[^>]+src="?(https?:[^" >]+)|<link[^>]+href="?(https?:[^" >]+)')
    assert {str(page): found for page in pages if (found := loaded.findall(page.read_text()))} == {}


def test_a_link_that_leads_nowhere_fails_the_build(project):
    with (project / "docs/index.md").open("a") as page:
        page.write("\n[nowhere](no-such-page.md)\n")
    built = build(project)
    assert built.returncode != 0
    assert "page does not exist" in built.stdout + built.stderr


def test_every_page_is_in_the_navigation_once():
    def paths(entries):
        for entry in entries:
            for target in entry.values():
                yield from paths(target) if isinstance(target, list) else [target]

    listed = sorted(paths(tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]))
    pages = [str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").glob("*.md")]
    assert listed == sorted([*pages, "decisions/README.md"])  # which lists the decisions itself
