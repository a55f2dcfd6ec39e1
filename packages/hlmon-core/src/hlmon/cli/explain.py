"""`hlmon explain`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from hlmon.cli.options import example, journal_options, json_option, labels_in, open_journal
from hlmon.cli.output import coloured, echo, joined, make_table, print_json, show
from hlmon.cli.text import short_address, utc
from hlmon.config import Config
from hlmon.errors import ConfigError
from hlmon.events import Alert, Event, encode
from hlmon.journal import Journal
from hlmon.routing import Notice, Route

_LATEST: Final = 20
_COLOURS: Final = {"sent": "green", "waiting": "yellow", "muted": "yellow", "dropped": "dim", "refused": "red"}


@click.command("explain", epilog=example("hlmon explain", "hlmon explain 1234"))
@click.argument("alert", required=False, metavar="[ALERT]")
@journal_options
@json_option
def command(*, alert: str | None, config_file: Path | None, journal: Path | None, as_json: bool) -> None:
    """Say why an alert came, and how it reached each notifier or why it did not; without ALERT list the latest.

    ALERT is the number in that list, or the alert's key. Times are UTC.
    """
    config, opened = open_journal(config_file, journal)
    with opened:
        if alert is None:
            _list(opened, config, as_json=as_json)
            return
        seq, found = _find(opened, alert)
        cause = opened.event(found.cause) if found.cause else None
        notices = opened.notices.of_alert(seq)
        cursors = opened.cursors()
        labels = labels_in(opened, config)
    if as_json:
        rule = config.rule.get(found.rule)
        print_json({"id": seq, "alert": found, "cause": cause, "rule": rule, "notices": notices})
        return
    for name, text in _facts(seq, found, cause, config, labels):
        for number, line in enumerate(text.splitlines() or [""]):
            echo(f"{name + ':' if number == 0 else '':10} {line}".rstrip())
    _show_notices(notices, config, _undecided(seq, notices, config, cursors))


def _list(journal: Journal, config: Config, *, as_json: bool) -> None:
    ids = [
        seq
        for (seq,) in journal.query("SELECT id FROM alerts ORDER BY created_at_ms DESC, id DESC LIMIT ?", (_LATEST,))
    ]
    rows = [(*_find(journal, str(seq)), journal.notices.of_alert(seq)) for seq in ids]
    if as_json:
        print_json([{"id": seq, "alert": alert, "notices": notices} for seq, alert, notices in rows])
        return
    if not rows:
        echo("No alerts yet.")
        return
    labels = labels_in(journal, config)
    table = make_table("Alert", "Time (UTC)", "Severity", "Account", "Title", "Told", right=("Alert",))
    for seq, alert, notices in rows:
        told = joined(
            coloured("", "", f"{each.notifier} ") + coloured(each.state, _COLOURS[each.state]) for each in notices
        )
        account = labels.get(alert.account) or short_address(alert.account)
        table.add_row(str(seq), utc(alert.time_ms), alert.severity, account, alert.title, told)
    show(table)


def _find(journal: Journal, text: str) -> tuple[int, Alert]:
    """The alert of this number or key, and its number. Raises ConfigError if there is none."""
    found = journal.query(
        "SELECT seq FROM events WHERE kind = 'alert' AND kind <> 'fill' AND (key = ?1 OR seq = ?1)", (text,)
    )
    for (seq,) in found:
        for entry in journal.read_after(seq - 1, kinds={Alert.kind}, limit=1):
            if entry.seq == seq and isinstance(entry.event, Alert):
                return seq, entry.event
    raise ConfigError(f"there is no alert {text!r}; `hlmon explain` lists the latest")


def _facts(
    seq: int, alert: Alert, cause: Event | None, config: Config, labels: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    yield f"Alert {seq}", alert.title
    if alert.body:
        yield "", alert.body
    yield "Time", utc(alert.time_ms)
    yield "Severity", f"{alert.severity}, {alert.state}"
    if alert.account:
        yield "Account", f"{labels.get(alert.account, '')} {alert.account}".strip()
    yield "Rule", f"{alert.rule} ({_pairs(config.rule[alert.rule])})" if alert.rule in config.rule else alert.rule
    yield "Subject", alert.subject
    for name, text in alert.details.items():
        yield name.capitalize(), text
    yield "Labels", ", ".join(f"{name} {text}" for name, text in alert.labels.items())
    if alert.cause:
        yield "Cause", encode(cause).decode() if cause else f"{' '.join(alert.cause)} (not in the journal any more)"


def _pairs(table: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {msgspec.json.encode(value).decode()}" for name, value in table.items())


def _undecided(
    seq: int, notices: Iterable[Notice], config: Config, cursors: Mapping[str, int]
) -> Iterator[tuple[str, str]]:
    """Notifiers of which the outbox says nothing, and why."""
    decided = {each.notifier for each in notices}
    for name in config.notifier:
        if name not in decided:
            passed = cursors.get(f"notifier.{name}", 0) >= seq
            yield name, "no record of it" if passed else "the monitor has not looked at it yet"


def _show_notices(notices: Iterable[Notice], config: Config, undecided: Iterable[tuple[str, str]]) -> None:
    table = make_table("Notifier", "State", "When (UTC)", "Route", "Why")
    for each in notices:
        when = each.sent_ms or each.hold_until_ms or each.decided_ms
        state = f"{each.state} {each.times_sent} times" if each.times_sent > 1 else each.state
        colour = _COLOURS[each.state]
        until = "until " if each.hold_until_ms and each.state in {"waiting", "muted"} else ""
        table.add_row(each.notifier, coloured(state, colour), until + utc(when), _route(each, config), each.reason)
    for name, why in undecided:
        table.add_row(name, "", "", "", why)
    show(table)


def _route(notice: Notice, config: Config) -> str:
    """The route as the config has it now; one that was recorded under another config shows only its name."""
    named = {f"route[{position}]": route for position, route in enumerate(config.route)}
    route = named.get(notice.route)
    return f"{notice.route}: {_pairs(_written(route))}" if route else notice.route


def _written(route: Route) -> dict[str, Any]:
    fields = msgspec.structs.fields(Route)
    return {field.name: value for field in fields if (value := getattr(route, field.name)) != field.default and value}
