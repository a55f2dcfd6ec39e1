"""Standard output has what a command answers and nothing else, whatever the installed plugins print."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.e2e.conftest import inherited
from tests.servers.site import install

NOISY = """
import atexit, os, subprocess, sys, threading
from contextlib import contextmanager
import click
from hlmon import Alert, DeriverFactory, NoConfig, hookimpl

def say(where):
    print("printed at", where)
    os.write(1, f"written at {where}\\n".encode())
    subprocess.run(["echo", "a program at", where])

say("import")
atexit.register(say, "exit")

@contextmanager
def opened(config, settings):
    say("open")
    threading.Thread(target=say, args=("thread",)).start()
    yield rule
    say("close")

def rule(event):
    say("call")
    return ()

@hookimpl
def hlmon_derivers():
    say("hook")
    return [DeriverFactory(name="noisy", open=opened, config=NoConfig, kinds=frozenset({"fill"}))]

@hookimpl
def hlmon_commands():
    say("hook of commands")
    return [click.Command("noisy", callback=lambda: click.echo("the answer"))]
"""
RULE = '[rule.loud]\ntype = "noisy"\n'


@pytest.fixture
def answer_of(tmp_path):
    """A function that runs `hlmon` beside a noisy plugin; returns what standard output got."""
    install(tmp_path, "noisy", NOISY)
    (tmp_path / "hlmon.toml").write_text(RULE)
    paths = [str(tmp_path), inherited().get("PYTHONPATH", "")]
    environ = inherited() | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "hlmon", *arguments]
        ended = subprocess.run(
            command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert (ended.returncode, "import" in ended.stderr) == (0, True), ended.stderr
        return ended.stdout

    return run


def test_json_is_all_that_a_command_writes_whatever_plugins_print_in_import_hooks_calls_threads_and_at_exit(answer_of):
    assert json.loads(answer_of("rules", "test", "--event", "fill", "--json"))[0]["rule"] == "loud"
    assert "noisy" in [each["name"] for each in json.loads(answer_of("plugins", "--json"))]
    assert "noisy" in json.dumps(json.loads(answer_of("plugins", "--schema")))


def test_the_sql_that_a_plugins_command_prints_is_not_mixed_with_what_the_others_print_as_they_are_loaded(answer_of):
    assert answer_of("noisy").startswith("the answer\n")
    assert answer_of("supabase", "sql").lstrip().startswith(("--", "create", "CREATE"))
