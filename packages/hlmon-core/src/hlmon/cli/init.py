"""`hlmon init`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from hlmon.cli.options import example
from hlmon.cli.output import echo
from hlmon.errors import ConfigError

TEMPLATE: Final = """\
# The config of hlmon. `hlmon check` says whether it is right; `hlmon run` follows it.
# Lines that begin with # and no space are examples: remove the # to use them.

# Everything that is seen is kept in this file first.
journal = "hlmon.db"

# Events that are older and that every sink has are removed. Without this line everything is kept.
#retention_days = 90

# Alerts about older events are stored and not sent, so that a first start raises no storm.
alert_max_age_seconds = 3600

# The accounts to watch, one [[account]] each. Only the public address is needed, never a key.
#[[account]]
#address = "0x1234567890123456789012345678901234567890"
#label = "main"

[hyperliquid]
# Coins whose market trades are counted into the cumulative volume delta, e.g. "BTC", "xyz:SILVER", "PURR/USDC".
coins = []
# How often the value and health of an account are kept.
snapshot_seconds = 60
# The length of one bucket of the cumulative volume delta.
cvd_seconds = 60
# The test network instead of the real one.
#testnet = true

# Rules say what you are told about. The name after the dot is yours.
[rule.closed]
type = "position_closed"
[rule.near]
type = "liquidation_distance"
below = 10
[rule.margin]
type = "margin"
above = 75
[rule.streams]
type = "stream"
# There are 20 types; hlmon plugins lists them, docs/rules.md explains them.
#[rule.daily-loss]
#type = "pnl"
#below = -500

# Notifiers tell you. This one writes into the log of the program; packages add further types: hlmon plugins.
[notifier.log]
type = "log"

# Routes say which alert reaches which notifier. Without any, every notifier gets every alert.
#[[route]]
#severity = "warning"
#to = ["log"]

# Sinks keep events elsewhere too. Secrets are never written here but referred to: "env:NAME" or "file:/path".
#[sink.archive]
#type = "jsonl"
#path = "hlmon-events.jsonl"

# The watcher watched: a dead man's switch that is told each minute that all is well, and an address that can be asked.
#[watchdog]
#ping_url = "env:HEALTHCHECKS_URL"
#healthz = "127.0.0.1:8731"
"""


@click.command("init", epilog=example("hlmon init", "hlmon init testnet.toml"))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default="hlmon.toml")
def command(*, file: Path) -> None:
    """Write a config file with an explanation of every setting. An existing file is not overwritten."""
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(TEMPLATE)
    except FileExistsError:
        raise ConfigError(f"{file} exists already; it was left as it is") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written: {error.strerror}") from error
    echo(f"Wrote {file}. Put your addresses in, then: hlmon check -c {file} && hlmon run -c {file}")
