"""`hlmon notify`."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from hlmon.cli.options import config_option, example, start_logging
from hlmon.cli.output import echo
from hlmon.config import Config, load_config
from hlmon.contract import NotifierFactory
from hlmon.errors import ConfigError, Permanent, Transient
from hlmon.events import Alert, Severity
from hlmon.fields import nearest
from hlmon.parts import EnabledPart, enable, settings_for
from hlmon.plugins import load_catalogue
from hlmon.redaction import redact

SEVERITIES: Final = ("info", "warning", "critical")


@click.group("notify", epilog=example("hlmon notify test", "hlmon notify test phone --severity critical"))
def command() -> None:
    """Try out how people are told."""


@command.command("test", epilog=example("hlmon notify test phone"))
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--severity", type=click.Choice(SEVERITIES), default="info", show_default=True, help="Of the sample alert."
)
@config_option
@click.pass_context
def test(ctx: click.Context, *, names: tuple[str, ...], severity: Severity, config_file: Path | None) -> None:
    """Send a sample alert through each notifier of the config, or those named, and say what came of it.

    It goes the way of a real one: the same message, the same connection, the same credentials. Exit code 1 if any of
    them did not take it. A running monitor is not needed and not disturbed.
    """
    start_logging()
    config = load_config(config_file)
    notifiers = _named(enable(config, load_catalogue(config=config)).notifiers, names)
    failed = 0
    for notifier in notifiers:
        echo(f"{notifier.name} ({notifier.factory.name}):")
        began = time.monotonic()
        with _in_detail(notifier):
            problem = _send(notifier, config, severity)
        failed += bool(problem)
        echo(f"  {redact(problem)}" if problem else f"  accepted after {time.monotonic() - began:.2f} s")
    ctx.exit(1 if failed else 0)


def sample(config: Config, severity: Severity) -> Alert:
    """What a rule would say of a closed position, with words that nobody can take for news."""
    account = config.account[0].address if config.account else ""
    return Alert(
        account=account,
        time_ms=time.time_ns() // 1_000_000,
        rule="test",
        subject="test",
        severity=severity,
        title="TEST: BTC long closed, +482.50 USDC net",
        body="A sample from `hlmon notify test`. Nothing happened.",
        details={"Size": "0.5 BTC", "Entry": "100,000", "Exit": "101,000", "Fees": "-17.50 USDC", "Held": "3 h 12 min"},
        labels={"type": "test", "coin": "BTC", "side": "long"},
    )


def _named(
    notifiers: tuple[EnabledPart[NotifierFactory[Any]], ...], names: tuple[str, ...]
) -> list[EnabledPart[NotifierFactory[Any]]]:
    if not notifiers:
        raise ConfigError("the config has no notifier; write a [notifier.NAME]")
    known = {notifier.name: notifier for notifier in notifiers}
    for name in names:
        if name not in known:
            raise ConfigError(f"unknown notifier {name!r}{nearest(name, known)}")
    return [known[name] for name in names or known]


def _send(notifier: EnabledPart[NotifierFactory[Any]], config: Config, severity: Severity) -> str:
    """Why the sample was not taken, or ""."""
    try:
        with notifier.open(settings_for(notifier.name, config)) as opened:
            opened.send([sample(config, severity)])
    except ConfigError as error:
        return f"cannot be opened: {error}"
    except Permanent as error:
        return f"refused: {error}"
    except (Transient, OSError) as error:
        waits = isinstance(error, Transient) and error.retry_after
        return f"not taken now: {error or type(error).__name__}{f' (wait {waits:g} s)' if waits else ''}"
    except Exception as error:  # noqa: BLE001  # whatever a plugin raises is what it is asked for here
        return f"{type(error).__name__}: {error} (this is a fault of the plugin)"
    return ""


@contextmanager
def _in_detail(notifier: EnabledPart[NotifierFactory[Any]]) -> Iterator[None]:
    """Meanwhile the log shows the debug lines of the plugin, such as what its service answered."""
    log = logging.getLogger(notifier.factory.open.__module__.partition(".")[0])
    before = log.level
    log.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        log.setLevel(before)
