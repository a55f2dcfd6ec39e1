"""What a command gets from the host: the options that all have, the config, and the journal, both for reading.

Commands of plugins and the built-in ones share it. click is imported only by what is called, since every plugin imports
these names and few have a command.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from hlmon.contract import Factory, Settings
from hlmon.events import Event
from hlmon.plain import plain_json
from hlmon.stdout import answers, kept_for_answers

if TYPE_CHECKING:
    import click

    from hlmon.config import Config
    from hlmon.journal import Journal

CommandT = TypeVar("CommandT", bound=Callable[..., Any])
ConfigT = TypeVar("ConfigT")

_PAGE: Final = 1_000


class JournalReader:
    """The journal of a monitor that may be running, opened for reading; what is read is as it was at that moment.

    Raises HlmonError where the file cannot be read.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._journal.path

    def events(self, kinds: Collection[str] | None = None) -> Iterator[Event]:
        """The stored events of these kinds (None: of all), in the order in which they became known.

        They are read page by page, so in little memory. What a monitor stores meanwhile may come at the end.
        """
        seq = 0
        while entries := self._journal.read_after(seq, kinds=kinds, limit=_PAGE):
            yield from (entry.event for entry in entries)
            seq = entries[-1].seq

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of any SQL that only reads, on the views; `?` stand for the parameters."""
        return self._journal.query(sql, parameters)


class Host:
    """What the host gives to a command: who is watched, the parts' configs, and the journal when it is asked for.

    Its repr shows no value of the config; a secret in a part's config is a `Secret`, which shows none either.
    """

    def __init__(self, name: str, config: Config) -> None:
        self._name = name
        self._config = config

    @property
    def settings(self) -> Settings:
        """What the host passes to every part: the accounts with their labels, the coins; `name` is the command's."""
        from hlmon.parts import settings_for  # noqa: PLC0415  # with all that reads configs

        return settings_for(self._name, self._config)

    def config_of(self, factory: Factory[ConfigT, Any]) -> dict[str, ConfigT]:
        """The checked config of every part of this factory, by the part's name; always derivers have none.

        Raises ConfigError with a line for every problem of these parts.
        """
        from hlmon.parts import part_configs  # noqa: PLC0415  # as above

        return part_configs(self._config, factory)

    @contextmanager
    def journal(self) -> Iterator[JournalReader]:
        """The journal that `--journal` or the config names. Raises HlmonError if there is none, and makes none."""
        from hlmon.journal import Journal  # noqa: PLC0415  # as above

        with Journal.open(self._config.journal, read_only=True) as journal:
            yield JournalReader(journal)

    def __repr__(self) -> str:
        return f"<Host of {self._name}: {self._config!r}>"


def with_host(function: CommandT) -> CommandT:
    """Give a click command `-c/--config` and `--journal`, and the keyword `host`: a `Host` of what they say.

    It stands below `@click.command`. A config that is wrong ends the command with exit code 2 and the reason.
    """

    @journal_options
    @functools.wraps(function)
    def command(*arguments: Any, config_file: Path | None, journal: Path | None, **options: Any) -> Any:
        import click  # noqa: PLC0415  # see above

        from hlmon.config import load_config  # noqa: PLC0415  # as above

        name = click.get_current_context().info_name or ""
        return function(*arguments, host=Host(name, load_config(config_file, journal=journal)), **options)

    return command  # type: ignore[return-value]  # click asks for the options, the function for a host


def config_option(command: CommandT) -> CommandT:
    """`-c/--config`, as `config_file`."""
    import click  # noqa: PLC0415  # as above

    return click.option(
        "-c",
        "--config",
        "config_file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Config file.  [default: ./hlmon.toml if it exists]",
    )(command)


def journal_option(command: CommandT) -> CommandT:
    """`--journal`, as `journal`."""
    import click  # noqa: PLC0415  # as above

    return click.option(
        "--journal",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="PATH",
        help="Journal file.  [default: what the config says, else hlmon.db]",
    )(command)


def journal_options(command: CommandT) -> CommandT:
    """Which journal is read: -c and --journal."""
    return config_option(journal_option(command))


def json_option(command: CommandT) -> CommandT:
    """Give a click command `--json`, as the keyword `as_json`: then standard output is for `print_json` alone.

    Whatever else is printed, by whomever, goes to standard error.
    """
    import click  # noqa: PLC0415  # as above

    return click.option("--json", "as_json", is_flag=True, callback=keep_stdout, help="Print JSON.")(command)


def keep_stdout(ctx: click.Context, _: click.Parameter, as_json: bool) -> bool:
    """Callback of a flag that asks for a document: standard output gets it alone, whatever plugins print meanwhile."""
    if as_json and not ctx.resilient_parsing:
        ctx.with_resource(kept_for_answers(to_the_end=True))
    return as_json


def print_json(value: Any) -> None:
    """One indented JSON document; decimals are text, so that they stay exact, and events are objects."""
    import click  # noqa: PLC0415  # as above

    click.echo(plain_json(msgspec.json.format(msgspec.json.encode(value), indent=2).decode()), file=answers())
