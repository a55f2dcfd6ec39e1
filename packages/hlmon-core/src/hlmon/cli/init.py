"""`hlmon init`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final

import click

from hlmon.cli.options import EXAMPLE_ADDRESS, example
from hlmon.cli.output import echo
from hlmon.config import load_config
from hlmon.errors import ConfigError
from hlmon.problems import TOML_VARIABLE

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
{accounts}

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
{notifiers}
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

UNKNOWN_CHAT: Final = "0"
NO_ACCOUNT: Final = """\
#[[account]]
#address = "0x1234567890123456789012345678901234567890"
#label = "main\""""

DISCORD: Final = """
# In Discord: the channel's settings, Integrations, Webhooks, New Webhook, Copy Webhook URL. Then, where hlmon runs:
# export DISCORD_WEBHOOK_URL=https://discord.com/api/webhooks/…
[notifier.discord]
type = "discord"
webhook = "env:DISCORD_WEBHOOK_URL"
"""

TELEGRAM: Final = """
# In Telegram: write /newbot to @BotFather, then /start to your bot; where hlmon runs: export TELEGRAM_BOT_TOKEN=…
# https://api.telegram.org/bot<token>/getUpdates then shows the number of the chat behind "chat":{"id":
[notifier.telegram]
type = "telegram"
token = "env:TELEGRAM_BOT_TOKEN"
chat_id = "{chat}"
"""


def config_text(accounts: Sequence[tuple[str, str]] = (), *, discord: bool = False, chat: str = "") -> str:
    """The text of a config with these accounts (address and label, "" for none), Discord, and this Telegram chat."""
    tables = [
        f'[[account]]\naddress = "{address}"' + (f'\nlabel = "{label}"' if label else "") for address, label in accounts
    ]
    notifiers = (DISCORD if discord else "") + (TELEGRAM.replace("{chat}", chat) if chat else "")
    return TEMPLATE.replace("{accounts}", "\n".join(tables) or NO_ACCOUNT).replace("{notifiers}", notifiers)


@click.command("init", epilog=example("hlmon init", f"hlmon init --account {EXAMPLE_ADDRESS} --label main --discord"))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default="hlmon.toml")
@click.option("--account", "accounts", multiple=True, metavar="0x…", help="An address to watch; may be repeated.")
@click.option(
    "--label", "labels", multiple=True, metavar="NAME", help="What to call it; in the order of the addresses."
)
@click.option("--discord", is_flag=True, help="Send alerts to a Discord channel.")
@click.option("--telegram", is_flag=True, help="Send alerts to a Telegram chat; the file says how to find its number.")
@click.option("--chat", metavar="NUMBER", help="The number of that chat, if it is known already.")
def command(
    *, file: Path, accounts: tuple[str, ...], labels: tuple[str, ...], discord: bool, telegram: bool, chat: str | None
) -> None:
    """Write a config file with an explanation of every setting. An existing file is not overwritten."""
    named = list(zip_longest(accounts, labels, fillvalue=""))
    if len(labels) > len(accounts):
        raise ConfigError("--label: names an --account, and there are more labels than accounts")
    text = config_text(named, discord=discord, chat=chat or (UNKNOWN_CHAT if telegram else ""))
    load_config(None, environ={TOML_VARIABLE: text})  # a wrong address is said before anything is written
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise ConfigError(f"{file} exists already; it was left as it is") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written: {error.strerror}") from error
    then = "Then" if accounts else "Put your addresses in, then"
    echo(f"Wrote {file}. {then}: hlmon check -c {file} && hlmon run -c {file}")
    if discord or telegram or chat:
        echo("Discord and Telegram come with the package hlmon-notify; the file says what each still needs.")
