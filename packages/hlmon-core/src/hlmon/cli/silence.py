"""`hlmon silence add`, `list` and `remove`."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import click

from hlmon.cli.options import example, journal_options, json_option
from hlmon.cli.output import echo, make_table, print_json, show
from hlmon.cli.text import span, utc
from hlmon.config import Config, load_config
from hlmon.delivery.silences import read_silences, silences_path, write_silences
from hlmon.errors import ConfigError
from hlmon.fields import nearest
from hlmon.routing import Matcher, Silence

_UNITS_MS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


def _milliseconds(_ctx: click.Context, _param: click.Parameter, value: str) -> int:
    """The milliseconds of a length of time such as 30m, 2h, 1h30m, 1d."""
    parts = [(int(number), unit) for number, unit in re.findall(r"(\d+)([mhdw])", value)]
    length_ms = sum(number * _UNITS_MS[unit] for number, unit in parts)
    if not length_ms or not re.fullmatch(r"(\d+[mhdw])+", value):
        raise click.BadParameter("must be a length of time such as 30m, 2h, 1h30m, 3d or 1w")
    return length_ms


@click.group("silence", epilog=example('hlmon silence add 2h --rule margin --why "moving funds"', "hlmon silence list"))
def command() -> None:
    """Stop alerts for a while.

    What happens meanwhile is not told. A condition that fires still at the end is told then. A running monitor follows
    at once, and everything stays in the journal: `hlmon explain` says what was silenced.
    """


@command.command("add", epilog=example("hlmon silence add 30m --account main --label coin=BTC"))
@click.argument("duration", callback=_milliseconds, metavar="DURATION")
@click.option("--rule", "rules", multiple=True, metavar="NAME", help="Only this rule; may be repeated.")
@click.option("--account", "accounts", multiple=True, metavar="LABEL", help="Only this label or address; likewise.")
@click.option(
    "--label", "labels", multiple=True, metavar="NAME=VALUE", help="Only with this label, as coin=BTC; likewise."
)
@click.option("--why", default="", metavar="TEXT", help="A reason, for whoever asks later.")
@journal_options
def add(
    *,
    duration: int,
    rules: tuple[str, ...],
    accounts: tuple[str, ...],
    labels: tuple[str, ...],
    why: str,
    config_file: Path | None,
    journal: Path | None,
) -> None:
    """Silence alerts from now on for DURATION (30m, 2h, 1d), all of them or those that fit every option.

    Of several values of one option any will do.
    """
    config = load_config(config_file, journal=journal)
    now_ms = _now_ms()
    silence = Silence(
        id=secrets.token_hex(3),
        created_ms=now_ms,
        until_ms=now_ms + duration,
        why=why,
        rules=rules,
        accounts=accounts,
        labels=_labels(labels),
    )
    _check(silence, config)
    path = silences_path(config.journal)
    write_silences(path, [*_current(path, now_ms), silence])
    echo(f"Silence {silence.id} until {utc(silence.until_ms)} UTC: {_what(silence)}.")


@command.command("list")
@journal_options
@json_option
def list_(*, config_file: Path | None, journal: Path | None, as_json: bool) -> None:
    """List the silences that hold now."""
    now_ms = _now_ms()
    silences = _current(silences_path(load_config(config_file, journal=journal).journal), now_ms)
    if as_json:
        print_json(silences)
        return
    if not silences:
        echo("No silences.")
        return
    table = make_table("Silence", "Until (UTC)", "Left", "What", "Why")
    for each in silences:
        table.add_row(each.id, utc(each.until_ms), span(each.until_ms - now_ms), _what(each), each.why)
    show(table)


@command.command("remove", epilog=example("hlmon silence remove 3f2a9c"))
@click.argument("ids", nargs=-1, required=True, metavar="SILENCE...")
@journal_options
def remove(*, ids: tuple[str, ...], config_file: Path | None, journal: Path | None) -> None:
    """End silences before their time, by the names that `hlmon silence list` shows."""
    path = silences_path(load_config(config_file, journal=journal).journal)
    silences = _current(path, _now_ms())
    known = [each.id for each in silences]
    for name in ids:
        if name not in known:
            raise ConfigError(f"unknown silence {name!r}{nearest(name, known)}")
    write_silences(path, [each for each in silences if each.id not in ids])
    echo(f"Removed {', '.join(ids)}.")


def _current(path: Path, now_ms: int) -> list[Silence]:
    return [each for each in read_silences(path) if each.until_ms > now_ms]


def _labels(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--label: {text!r} must be NAME=VALUE, as in coin=BTC")
        found[name] = (*found.get(name, ()), value)
    return found


def _check(silence: Silence, config: Config) -> None:
    """Refuse names that mean nothing: a silence with a typing error would silence nothing."""
    for name in silence.rules:
        if config.rule and name not in config.rule:
            raise ConfigError(f"--rule: unknown rule {name!r}{nearest(name, config.rule)}")
    accounts = {name for address, label in config.labels.items() for name in (address, label) if name}
    for name in silence.accounts:
        if accounts and name not in accounts and name.lower() not in accounts:
            raise ConfigError(f"--account: unknown account {name!r}{nearest(name, accounts)}")


def _what(matcher: Matcher) -> str:
    fields: Mapping[str, Sequence[str]] = {"rule": matcher.rules, "account": matcher.accounts, **matcher.labels}
    return ", ".join(f"{name} {' or '.join(values)}" for name, values in fields.items() if values) or "every alert"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
