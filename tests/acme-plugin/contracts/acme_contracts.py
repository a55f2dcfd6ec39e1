"""What Acme's own tests say of its parts: the contracts that hlmon ships, inherited."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing, contextmanager
from decimal import Decimal
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from acme_hlmon import pager, shelf, tape, whales

from hlmon import STORED, Secret, decode
from hlmon.testing import DeriverContract, NotifierContract, PluginContract, SinkContract, SourceContract
from hlmon.testing.builders import make_fill


class TestPlugin(PluginContract):
    entry_point = "acme"

    def configs(self):
        return {
            "acme-tape": tape.TapeConfig(path=Path("tape.txt")),
            "acme-shelf": shelf.ShelfConfig(path=Path("shelf.db")),
            "acme-pager": pager.PagerConfig(address=Secret("env:ACME_PAGER")),
        }


class TestTape(SourceContract):
    @pytest.fixture(autouse=True)
    def _written_tape(self, tmp_path):
        self.path = tmp_path / "tape.txt"
        self.path.write_text("".join(f"{1_760_000_000_000 + number} BTC buy 1 100000\n" for number in range(5)))

    def factory(self):
        return tape.FACTORY

    def config(self):
        return tape.TapeConfig(path=self.path)

    def expected(self):
        return {"fill": 5, "checkpoint": 1}

    def wrong_configs(self):
        return {"a file that is not there": tape.TapeConfig(path=self.path.with_name("missing"))}

    @contextmanager
    def outage(self):
        away = self.path.rename(self.path.with_name("away"))
        yield
        away.rename(self.path)


class TestShelf(SinkContract):
    excused: ClassVar = {
        "test_opening_an_unreachable_store_says_so": "a database that is locked opens",
        "test_a_refused_event_raises_permanent": "a table of texts takes every event",
    }

    @pytest.fixture(autouse=True)
    def _empty_shelf(self, tmp_path):
        self.path = tmp_path / "shelf.db"

    def factory(self):
        return shelf.FACTORY

    def config(self):
        return shelf.ShelfConfig(path=self.path)

    def wrong_configs(self):
        return {"a folder that is not there": shelf.ShelfConfig(path=self.path / "missing")}

    def stored(self):
        with closing(sqlite3.connect(self.path)) as database:
            rows = database.execute("SELECT kind, body FROM shelf").fetchall()
        return [decode(kind, body) for kind, body in rows if kind in STORED]

    @contextmanager
    def outage(self):
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield
            other.execute("ROLLBACK")


class TestWhales(DeriverContract):
    @cached_property
    def fills(self):
        return [make_fill(price=Decimal(1000), size=Decimal(size)) for size in (999, 1000, 5000, 1)]

    def factory(self):
        return whales.FACTORY

    def config(self):
        return whales.WhalesConfig()

    def events(self):
        return self.fills


class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.server.status == 200:
            self.server.pages.append(body)
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *arguments):
        pass


class TestPager(NotifierContract):
    secrets = ("correct-horse-battery",)
    excused: ClassVar = {"test_the_wait_that_was_asked_for_is_passed_on": "the pager never asks for patience"}

    @pytest.fixture(autouse=True)
    def _service(self, monkeypatch):
        with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as self.service:
            self.service.status, self.service.pages = 200, []
            threading.Thread(target=self.service.serve_forever, args=[0.01], daemon=True).start()
            address = f"http://127.0.0.1:{self.service.server_address[1]}/correct-horse-battery"
            monkeypatch.setenv("ACME_PAGER", address)
            monkeypatch.setenv("WRONG_PAGER", "pager 17")
            yield
            self.service.shutdown()

    def factory(self):
        return pager.FACTORY

    def config(self):
        return pager.PagerConfig(address=Secret("env:ACME_PAGER"))

    def wrong_configs(self):
        return {"no address": pager.PagerConfig(address=Secret("env:WRONG_PAGER"))}

    def sent(self):
        return self.service.pages

    @contextmanager
    def answering(self, status):
        self.service.status = status
        yield
        self.service.status = 200

    def outage(self):
        return self.answering(503)

    def refusal(self):
        return self.answering(404)
