"""A plugin of third parties, installed by its wheel: every part of it at work in one monitor, none special-cased."""

from __future__ import annotations

import ast
import json
import os
import signal
import sqlite3
import threading
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

import hlmon
from tests.packaging.conftest import ACME, BIN

CONFIG = """
[hyperliquid]
url = "{url}"
[source.tape]
type = "acme-tape"
path = "tape.txt"
[rule.whales]
type = "acme-whales"
from_notional = 500_000
[sink.shelf]
type = "acme-shelf"
path = "shelf.db"
[notifier.pager]
type = "acme-pager"
address = "env:ACME_PAGER"
"""
NEEDS = """
import json
from hlmon.config import load_config
from hlmon.parts import enable
from hlmon.plugins import load_catalogue
parts = enable(load_config(None), load_catalogue())
enabled = (*parts.sources, *parts.derivers, *parts.sinks, *parts.notifiers)
needs = [need for part in enabled for need in part.factory.needs(part.config)]
print(json.dumps([[need.kind, need.name, need.why, dict(need.details)] for need in needs]))
"""


class Service(ThreadingHTTPServer):
    """Acme's pager."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.pages = []


class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.pages.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def pager():
    with Service() as service:
        threading.Thread(target=service.serve_forever, args=[0.01], daemon=True).start()
        yield service
        service.shutdown()


def rows(path, sql):
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return database.execute(sql).fetchall()


@pytest.fixture(scope="module")
def story(author, exchange, pager, tmp_path_factory, wait):
    """Two runs: the tape grows during the first and between the two; the second begins with an empty disk."""
    folder = tmp_path_factory.mktemp("acme-run")
    (folder / "hlmon.toml").write_text(CONFIG.format(url=exchange.url))
    tape = folder / "tape.txt"
    now_ms = time.time_ns() // 1_000_000
    tape.write_text(f"{now_ms} BTC buy 1 100000\n")
    environ = {"ACME_PAGER": f"http://127.0.0.1:{pager.server_address[1]}/correct-horse"}

    def fills():
        return rows(folder / "shelf.db", "SELECT count(*) FROM shelf WHERE kind = 'fill'")

    def run(line, count, pages):
        process = author.start("hlmon", "run", cwd=folder, **environ)
        try:
            wait(lambda: fills() == [(count - 1,)], what="the fills before")
            with tape.open("a") as file:
                file.write(line)
            wait(lambda: fills() == [(count,)], what="the fill")
            wait(lambda: len(pager.pages) == pages, what="the page")
            process.send_signal(signal.SIGTERM)
            assert process.wait(25) == 0
        finally:
            process.kill()

    run(f"{now_ms + 1} ETH sell 200 4000\n", 2, 1)
    status = json.loads(author.hlmon("status", "--json", cwd=folder))["status"]
    for path in folder.glob("hlmon.db*"):
        path.unlink()
    run(f"{now_ms + 2} ETH buy 500 4000\n", 3, 2)
    return SimpleNamespace(folder=folder, environ=environ, pages=pager.pages, status=status)


def test_every_part_of_it_worked_in_one_monitor(author, story):
    kinds = dict(line.split() for line in author.hlmon("acme-report", "shelf.db", cwd=story.folder).splitlines())
    assert (kinds["fill"], kinds["alert"], kinds["checkpoint"]) == ("3", "2", "1")
    assert ": whale 1 of ETH: sell 200 at 4000\n" in story.pages[0]


def test_a_monitor_with_an_empty_disk_resumes_from_its_checkpoints(story):
    assert rows(story.folder / "hlmon.db", "SELECT coin, side FROM fills") == [("ETH", "buy")]
    assert ": whale 1 of ETH: buy 500 at 4000\n" in story.pages[1]


def test_its_source_and_its_parts_are_in_the_status(story):
    accounts = [account["address"] for source in story.status["sources"] for account in source.get("accounts", ())]
    assert "acme" in accounts
    assert {follower["name"] for follower in story.status["followers"]} == {"shelf", "pager"}


def test_its_command_is_part_of_the_program(author):
    assert "acme-report" in author.hlmon("--help")
    said = author.hlmon("acme-report", "nowhere.db", code=2)
    assert said == "error: nowhere.db is no shelf\n"


def test_what_a_deployment_must_provide_is_read_from_it_as_plain_data(author, story):
    assert json.loads(author.run("python", "-c", NEEDS, cwd=story.folder)) == [
        ["table", "shelf", "keeps the events", {"partition_key": {"name": "name", "type": "S"}}],
        ["permission", "shelf", "to put events on the shelf", {"table": "shelf", "actions": ["dynamodb:PutItem"]}],
        ["secret", "ACME_PAGER", "the address of the pager", {}],
    ]


def test_its_secret_is_in_no_log_line(story):
    assert "correct-horse" not in (story.folder / "log").read_text()


def test_a_mistake_in_its_config_is_an_error_with_its_path(author, tmp_path):
    (tmp_path / "hlmon.toml").write_text('[sink.shelf]\ntype = "acme-shelf"\npaht = "shelf.db"\n')
    said = author.hlmon("check", cwd=tmp_path, code=2)
    assert "sink.shelf.paht: unknown field; did you mean 'path'?" in said


def test_its_tables_are_in_the_schema(author):
    schema = json.loads(author.hlmon("plugins", "--schema"))
    sections = {name: schema["properties"][name]["additionalProperties"] for name in ("sink", "rule", "source")}
    types = {name: section["properties"]["type"]["enum"] for name, section in sections.items()}
    assert types["sink"] == ["jsonl", "acme-shelf"]
    assert "acme-whales" in types["rule"]
    assert "acme-tape" in types["source"]


def test_it_type_checks_strictly_against_the_installed_wheels(author):
    options = ("--strict", "--config-file", os.devnull)
    said = author.run("mypy", *options, "src", cwd=ACME)
    assert "Success" in said


def test_it_keeps_the_contracts_of_its_parts(author):
    options = ("-q", "-c", os.devnull, "--rootdir", ACME, "-p", "no:cacheprovider")
    said = author.run("pytest", *options, "contracts/acme_contracts.py", cwd=ACME)
    assert "3 skipped" in said  # the excused ones


def test_it_uses_the_public_names_only():
    used = set()
    for path in ACME.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "hlmon":
                public = node.module == "hlmon" or node.module.startswith("hlmon.testing")
                assert public, f"{path.name} imports {node.module}"
                used |= {alias.name for alias in node.names if node.module == "hlmon"}
    assert used <= set(hlmon.__all__)


def test_install_and_uninstall_work_by_uv_where_there_is_no_pip(author, acme):
    path = f"{author.environ['PATH']}:{BIN}"
    left = author.hlmon("uninstall", "acme-hlmon", PATH=path)
    assert "acme-tape" not in left
    assert "acme-tape" in author.hlmon("install", acme, PATH=path)


def test_without_pip_and_uv_it_is_said_what_is_missing(author):
    assert "error: neither pip nor uv is there to change" in author.hlmon("install", "acme-hlmon", code=4)
