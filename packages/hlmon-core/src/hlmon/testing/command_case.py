"""What a command's test says of it, and how it is called: as a process of its own, beside a monitor that writes."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import pathsep
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Final

import click

from hlmon.environment import ENVIRON
from hlmon.events import Event
from hlmon.journal import Journal
from hlmon.testing.builders import STORED_BUILDERS
from hlmon.testing.contract_case import Contract
from hlmon.testing.promises import check, named

CONFIG: Final = "hlmon.toml"
JOURNAL: Final = "hlmon.db"
_TEST: Final = ".test"
_FOREIGN: Final = {"HLMON_CONFIG_TOML", "ACCOUNT_ADDRESS"}  # of whoever runs the tests
_TAKEN: Final = "this test can be taken to another process: its class is in a module that can be imported"
_ANEW: Final = "the command is called as a process of its own, which makes this test anew"
NOT_ITS_NAME: Final = 97
"""The exit code of a call that would have reached another command."""
_UNFOUND: Final = 98
_CHILD: Final = f"""
import pickle, sys
import hlmon.cli
try:
    with open(sys.argv[1], "rb") as file:
        contract = pickle.load(file)
except Exception as error:
    print(error, file=sys.stderr)
    sys.exit({_UNFOUND})
command = contract.command()
hlmon.cli._plugin_commands = lambda: {{command.name: command}}
if hlmon.cli.program.get_command(None, command.name) is not command:
    sys.exit({NOT_ITS_NAME})
sys.argv[:2] = ["hlmon", command.name]
hlmon.cli.main()
"""


class CommandCase(Contract):
    """What a subclass defines. `secrets` are the secret texts that `config` leads to."""

    to_define: ClassVar[frozenset[str]] = frozenset(
        {"answer_seconds", "arguments", "command", "config", "events", "secrets"}
    )
    answer_seconds: ClassVar[float] = 20.0
    secrets: ClassVar[Sequence[str]] = ()

    def command(self) -> click.Command:
        """The command, as the hook returns it."""
        self.missing("command()", "returns the command", excusable=False)

    def arguments(self) -> Sequence[str]:
        """What stands behind its name in a call that works; of a group the subcommand first."""
        return ()

    def config(self) -> str:
        """The text of the hlmon.toml that lies where it is called."""
        return ""

    def events(self) -> Sequence[Event]:
        """What the journal holds that lies where it is called: hlmon.db, unless the config names another."""
        return [build() for build in STORED_BUILDERS.values()]

    @contextmanager
    def monitored(self, events: Sequence[Event]) -> Iterator[tuple[Path, Journal]]:
        """A folder with the config and a journal of these events, which is open for writing as by a monitor."""
        with TemporaryDirectory(prefix="hlmon-contract-") as name:
            folder = Path(name)
            (folder / CONFIG).write_text(self.config(), encoding="utf-8")
            with Journal.open(folder / JOURNAL) as journal:
                journal.append(events)
                yield folder, journal

    def call(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Its exit code and what it says; BrokenPromise if it does not end, with nobody there to ask."""
        command = [sys.executable, "-c", _CHILD, str(self._pickled(folder)), *arguments]
        kept = {name: value for name, value in ENVIRON.items() if name not in _FOREIGN}
        paths = pathsep.join(str(Path(path).absolute()) for path in sys.path)
        environment = kept | {"PYTHONPATH": paths, "PYTHONIOENCODING": "utf-8"}
        try:
            run = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                timeout=self.answer_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            because = "scripts and timers call commands too: nobody is there to answer or to stop them"
            seen = f"`{' '.join([self.name, *arguments])}` had not ended after {error.timeout:g} s"
            check(False, f"it ends by itself within {self.answer_seconds:g} s", because=because, seen=seen)
            raise
        check(run.returncode != _UNFOUND, _TAKEN, because=_ANEW, seen=run.stderr.strip())
        return run

    def _pickled(self, folder: Path) -> Path:
        try:
            content = pickle.dumps(self)
        except Exception as error:  # noqa: BLE001 - a class inside of a function, for instance
            check(False, _TAKEN, because=_ANEW, seen=named(error))
        path = folder / _TEST
        path.write_bytes(content)
        return path

    @property
    def name(self) -> str:
        """By which the user calls it."""
        return str(self.command().name)

    def words(self) -> list[str]:
        """The names of the subcommands with which `arguments` begin."""
        return [name for _, name in self._chain()]

    def options(self) -> set[str]:
        """The options that it takes behind these."""
        called = [self.command(), *(command for command, _ in self._chain())][-1]
        return {option for parameter in called.params for option in parameter.opts}

    def _chain(self) -> Iterator[tuple[click.Command, str]]:
        command: click.Command | None = self.command()
        for word in self.arguments():
            command = command.commands.get(word) if isinstance(command, click.Group) else None
            if command is None:
                return
            yield command, word


def shown(run: subprocess.CompletedProcess[str]) -> str:
    """What a call has done, in words."""
    return f"exit code {run.returncode}, output {run.stdout[-500:]!r}, errors {run.stderr[-1500:]!r}"
