"""`hlmon rules test` and `hlmon rules backtest`."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from hlmon.cli.options import (
    EXAMPLE_ADDRESS,
    config_option,
    example,
    journal_option,
    json_option,
    labels_in,
    open_journal,
)
from hlmon.cli.output import echo, make_table, print_json, show
from hlmon.cli.text import short_address, utc
from hlmon.config import Config, load_config
from hlmon.errors import ConfigError
from hlmon.events import Alert, Event
from hlmon.fields import nearest
from hlmon.journal import Journal
from hlmon.parts import enable, settings_for
from hlmon.plugins import load_catalogue
from hlmon.rules.trial import Tried, backtest, is_reading, make_event, read_events

_AGES: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}

_rule_option = click.option("--rule", "names", multiple=True, metavar="NAME", help="Only this rule; may be repeated.")


@click.group("rules", epilog=example("hlmon rules test --last fill", "hlmon rules backtest --since 7d"))
def command() -> None:
    """Try the rules of a config, without telling anyone."""


@command.command(
    "test",
    epilog=example(
        "hlmon rules test --event fill --set coin=BTC --set size=2 --set price=100000",
        "hlmon rules test --last position_closed",
        "hlmon rules test events.jsonl",
    ),
)
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--event", "kind", metavar="KIND", help="Make an event of this kind up.")
@click.option("--set", "fields", multiple=True, metavar="FIELD=VALUE", help="A field of that event; may be repeated.")
@click.option("--last", metavar="KIND", help="Take the newest event of this kind in the journal.")
@_rule_option
@config_option
@journal_option
@json_option
def test(
    *,
    file: Path | None,
    kind: str | None,
    fields: tuple[str, ...],
    last: str | None,
    names: tuple[str, ...],
    config_file: Path | None,
    journal: Path | None,
    as_json: bool,
) -> None:
    """Say what each rule would make of an event, or of the events of FILE in their order.

    FILE has one event a line, as the sink `jsonl` writes them. A condition that must hold for a while is taken to have
    held. What was told before plays no part.
    """
    if [file, kind, last].count(None) != 2:
        raise ConfigError("say which event: a FILE, --event KIND or --last KIND, one of them")
    if fields and not kind:
        raise ConfigError("--set goes with --event")
    if last is not None:
        config, opened = open_journal(config_file, journal)
        with opened:
            events = [_newest(opened, last)]
    else:
        config = load_config(config_file)
        events = read_events(file.read_bytes().splitlines()) if file else [_made_up(config, kind or "", fields)]
    with ExitStack() as stack:
        outcomes = [(each, each.try_out(events)) for each in _opened(config, names, stack)]
    if as_json:
        print_json([{"rule": each.name, "type": each.type, "alerts": alerts} for each, alerts in outcomes])
        return
    for each, alerts in outcomes:
        _print_outcome(each, alerts, events)


@command.command(
    "backtest", epilog=example("hlmon rules backtest --since 7d", "hlmon rules backtest --since 2026-01-31")
)
@click.option("--since", metavar="WHEN", required=True, help="An age (30m, 12h, 7d, 2w) or a date, in UTC.")
@_rule_option
@config_option
@journal_option
@json_option
def over_journal(
    *, since: str, names: tuple[str, ...], config_file: Path | None, journal: Path | None, as_json: bool
) -> None:
    """List what the rules would have said, on the events that the journal holds.

    Rules that live on account states or on the monitor's own pulse cannot be tried so, since neither is kept; margin is
    read from the snapshots.
    """
    since_ms = time_of(since, time.time_ns() // 1_000_000)
    config, opened = open_journal(config_file, journal)
    with opened, ExitStack() as stack:
        labels = labels_in(opened, config)
        tried = _opened(config, names, stack, labels)
        alerts = sorted(backtest(opened, tried, since_ms), key=lambda alert: alert.time_ms)
    left_out = [each.name for each in tried if not each.is_replayable]
    if as_json:
        print_json({"alerts": alerts, "left_out": left_out})
        return
    _print_alerts(alerts, labels)
    counts = Counter(alert.rule for alert in alerts)
    for each in tried:
        if each.is_replayable:
            echo(f"{each.name}: {counts[each.name]} alerts")
    for name in left_out:
        echo(f"{name}: left out, the journal does not keep what it lives on")


def time_of(text: str, now_ms: int) -> int:
    """A moment given as an age or as a date (and time) in UTC. Raises ConfigError."""
    if found := re.fullmatch(r"(\d+)([mhdw])", text):
        return now_ms - int(found[1]) * _AGES[found[2]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--since: {text!r} is neither an age such as 7d nor a date such as 2026-01-31") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _opened(
    config: Config, names: Sequence[str], stack: ExitStack, labels: Mapping[str, str] | None = None
) -> list[Tried]:
    """The rules of the config, or the ones that were named."""
    for name in names:
        if name not in config.rule:
            raise ConfigError(f"--rule: unknown rule {name!r}{nearest(name, config.rule)}")
    parts = [part for part in enable(config, load_catalogue(config=config)).derivers if not part.factory.always]
    if not parts:
        raise ConfigError("the config has no [rule.NAME]; docs/rules.md shows what there is")
    return [
        Tried(
            name=part.name,
            type=part.factory.name,
            config=part.config,
            kinds=part.factory.kinds,
            rule=stack.enter_context(part.open(settings_for(part.name, config, labels))),
        )
        for part in parts
        if not names or part.name in names
    ]


def _made_up(config: Config, kind: str, fields: Sequence[str]) -> Event:
    values = {}
    for field in fields:
        name, separator, value = field.partition("=")
        if not separator:
            raise ConfigError(f"--set {field}: must be FIELD=VALUE")
        values[name] = value
    account = config.account[0].address if config.account else EXAMPLE_ADDRESS
    return make_event(kind, values, account=account, time_ms=time.time_ns() // 1_000_000)


def _newest(journal: Journal, kind: str) -> Event:
    if is_reading(kind):
        raise ConfigError(f"--last {kind}: events of this kind are not kept")
    held = journal.query("SELECT max(seq) FROM events WHERE kind = ?", (kind,))
    entries = journal.read_after(held[0][0] - 1, kinds=[kind], limit=1) if held[0][0] is not None else []
    if not entries:
        raise ConfigError(f"--last {kind}: the journal has none")
    return entries[0].event


def _print_outcome(tried: Tried, alerts: Sequence[Alert], events: Sequence[Event]) -> None:
    is_foreign = all(event.kind not in tried.kinds for event in events)
    outcome = f"{len(alerts)} alerts" if len(alerts) > 1 else "alert" if alerts else "nothing"
    if is_foreign and not alerts:
        outcome = "not about such an event"
    echo(f"{tried.name} ({tried.type}): {outcome}")
    for alert in alerts:
        echo(f"  {alert.severity}, {alert.state}: {alert.title}")
        lines = [*alert.body.splitlines(), *(f"{name}: {text}" for name, text in alert.details.items())]
        for line in lines:
            echo(f"    {line}")


def _print_alerts(alerts: Sequence[Alert], labels: Mapping[str, str]) -> None:
    table = make_table("Time", "Rule", "Severity", "State", "Account", "Title")
    for alert in alerts:
        account = labels.get(alert.account) or short_address(alert.account)
        table.add_row(utc(alert.time_ms), alert.rule, alert.severity, alert.state, account, alert.title)
    if alerts:
        show(table)
