"""The tutorial, walked: its commands run as they stand, its files are written as they stand, and it says what is seen.

What stands below a command is looked for in what the command says; … stands for what varies.
"""

from __future__ import annotations

import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.packaging.conftest import BIN, ROOT, Environment
from tests.servers.index import index_into
from tests.servers.process import free_port

PAGE = (ROOT / "docs/tutorial.md").read_text()
KINDS = re.compile(r'^```(\w+)(?: title="(.*?)")?\n(.*?)^```', re.DOTALL | re.MULTILINE)
STEPS = re.split(r"^## \d\. .*$", PAGE, flags=re.MULTILINE)[1:]
SLIP = ", check_same_thread=False"
COLOUR = re.compile(r"\x1b\[[\d;]*m")
# What the packages depend on is brought by uv, which is ten times as fast; pip then needs nothing else.
PYTHON = """#!/bin/sh
{python} "$@" && [ "$2" = venv ] && exec {uv} pip install --quiet --python "$3/bin/python" --constraint {pins} {wanted}
"""
WANTED = (
    "pytest",
    "mypy",
    "ruff",
    "twine",
    "build",
    "hatchling",
    *(f"-r {ROOT}/packages/{name}/pyproject.toml" for name in ("hlmon-core", "hlmon-sim")),
)


class Block(NamedTuple):
    kind: str
    title: str
    text: str

    @property
    def commands(self) -> list[str]:
        return re.findall(r"^\$ (.*)$", self.text, re.MULTILINE)

    @property
    def told(self) -> list[str]:
        return [line for line in self.text.splitlines() if not line.startswith("$ ")]


def blocks(step: str) -> list[Block]:
    return [Block(*found) for found in KINDS.findall(step)]


def says(line: str) -> re.Pattern[str]:
    """What a line of the page stands for, wherever the output breaks its own lines or aligns its columns."""
    pieces = (r"\s+".join(map(re.escape, piece.split())) for piece in line.split("…"))
    return re.compile(r"[^\n]*".join(pieces))


class Newcomer:
    """Somebody with the page and some terminals: the first one stays in its folder, the others run one program each."""

    def __init__(self, folder: Path, pins: Path, stack: ExitStack, environ: dict[str, str]) -> None:
        self.folder = self.here = folder
        self._stack = stack
        self._port = str(free_port())
        python = folder / "programs/python3"
        python.parent.mkdir()
        python.write_text(PYTHON.format(python=sys.executable, uv=BIN / "uv", pins=pins, wanted=" ".join(WANTED)))
        python.chmod(0o755)
        path = f"{python.parent}:{folder}/venv/bin:/usr/bin:/bin"  # the second is what step 1 activates
        self._environ = Environment(folder).environ | environ | {"PATH": path}

    def write(self, block: Block) -> None:
        (self.here / block.title).write_text(block.text.replace("3001", self._port))

    def follow(self, block: Block) -> str:
        """What the commands of a block say, which is what the page tells."""
        script = "\n".join(["set -euo pipefail", *block.commands, "pwd > /dev/fd/3"])
        place = self.folder / "place"
        with place.open("w") as where:
            done = subprocess.run(
                ["bash", "-c", f"exec 3>&{where.fileno()}\n{script}"],
                cwd=self.here,
                env=self._environ,
                pass_fds=[where.fileno()],
                capture_output=True,
                text=True,
                check=False,
            )
        said = COLOUR.sub("", done.stdout + done.stderr)
        assert done.returncode == 0, f"{block.text}\n{said}"
        self.here = Path(place.read_text().strip())
        for line in block.told:
            assert says(line.replace("3001", self._port)).search(said), f"{line!r} is not in:\n{said}"
        return said

    def start(self, block: Block) -> subprocess.Popen:
        """The one command of another terminal, until Ctrl-C."""
        (command,) = block.commands
        command = command.replace("hlmon sim", f"hlmon sim --port {self._port}")
        log = self._stack.enter_context((self.folder / f"{command.split()[1]}.log").open("w"))
        process = subprocess.Popen(command.split(), cwd=self.here, env=self._environ, stdout=log, stderr=log)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory, dist, pins):
    folder = tmp_path_factory.mktemp("tutorial")
    (folder / "published").mkdir()
    with ExitStack() as stack:
        yield Newcomer(
            folder,
            pins,
            stack,
            {
                "PIP_CONSTRAINT": str(pins),
                "PIP_FIND_LINKS": f"{dist} {folder}/published",
                "TWINE_REPOSITORY_URL": stack.enter_context(index_into(folder / "published")),
                "TWINE_USERNAME": "somebody",
                "TWINE_PASSWORD": "a token",
            },
        )


@pytest.fixture(scope="module")
def author(newcomer):
    """The newcomer after the third step: the sink is written and tested."""
    made, sink, test = map(blocks, STEPS[:3])
    try:
        newcomer.follow(made[0])
    except AssertionError as failed:
        if "No matching distribution" in str(failed) or "Failed to fetch" in str(failed):
            pytest.skip("a fresh environment needs the package index, which cannot be reached")
        raise
    newcomer.follow(made[1])
    newcomer.write(sink[0])
    newcomer.write(test[0])
    newcomer.follow(test[1])
    return newcomer


def test_the_page_leads_from_nothing_to_a_published_sink_at_work(author, wait):
    publish, install, work = map(blocks, STEPS[3:])
    for block in publish + install:
        author.follow(block)
    assert author.here == author.folder
    config, check, exchange, monitor, look = work
    author.write(config)
    author.follow(check)
    running = [author.start(exchange)]
    wait(lambda: "watch one" in (author.folder / "sim.log").read_text(), what="the exchange")
    running.append(author.start(monitor))

    def kinds():
        with closing(sqlite3.connect(author.folder / "shelf.db")) as shelf, suppress(sqlite3.OperationalError):
            return {kind for (kind,) in shelf.execute("SELECT kind FROM events")}
        return set()  # not opened yet

    wait(lambda: kinds() >= {"account", "fill"}, what="rows")
    if shutil.which("sqlite3"):
        author.follow(look)
    for process in reversed(running):
        process.send_signal(signal.SIGINT)
        assert process.wait(25) in {0, 130}


def test_the_slip_that_the_page_shows_is_told_as_it_says(author):
    project = author.folder / "hlmon-shelf"
    file = project / "src/hlmon_shelf/sink.py"
    (told,) = (block for block in blocks(STEPS[2]) if block.kind == "text")
    whole = file.read_text()
    file.write_text(whole.replace(SLIP, ""))
    try:
        run = [".venv/bin/pytest", "-p", "no:cacheprovider"]
        done = subprocess.run(run, cwd=project, capture_output=True, text=True, check=False)
    finally:
        file.write_text(whole)
    assert done.returncode == 1
    assert SLIP in PAGE.partition("Leave out")[2].partition("```")[0]
    for line in told.text.splitlines():
        assert says(line).search(done.stdout), done.stdout


def test_every_block_of_the_page_is_part_of_the_walk():
    assert [[block.title or block.kind for block in blocks(step)] for step in STEPS] == [
        ["console", "console"],
        ["src/hlmon_shelf/sink.py"],
        ["tests/test_sink.py", "console", "text"],
        ["console"],
        ["console"],
        ["hlmon.toml", "console", "console", "console", "console"],
    ]
