"""Wrong configs, and the exact words for each."""

from __future__ import annotations

import re

import pytest

from hlmon.addresses import address_problem
from hlmon.config import load_config
from hlmon.errors import ConfigError

ALICE = "0x" + "a1" * 20
KEY = "9f" * 32
ACCOUNT = f'[[account]]\naddress = "{ALICE}"\nlabel = "main"\n'
PHONE = '[notifier.phone]\ntype = "telegram"\n'
KNOWN = (
    "account, alert_max_age_seconds, hyperliquid, inhibit, journal, notifier, plugins, retention_days, route, rule, "
    "sink, source, watchdog"
)

WRONG = {
    'jurnal = "x"': "jurnal: unknown field; did you mean 'journal'?",
    "zzz = 1": f"zzz: unknown field; known: {KNOWN}",
    'origin = "x"': f"origin: unknown field; known: {KNOWN}",
    "journal = 3": "journal: must be a path",
    'journal = ""': "journal: must be a path",
    "retention_days = 0": "retention_days: must be at least 1",
    'retention_days = "30"': "retention_days: must be a whole number, not text",
    "retention_days = 1.5": "retention_days: must be a whole number, not a number",
    "alert_max_age_seconds = true": "alert_max_age_seconds: must be a whole number, not true or false",
    "hyperliquid = 1": "hyperliquid: must be a table, not a whole number",
    "hyperliquid.snapshot_seconds = 4": "hyperliquid.snapshot_seconds: must be at least 5",
    "hyperliquid.cvd_seconds = 0": "hyperliquid.cvd_seconds: must be at least 1",
    "hyperliquid.coin = []": "hyperliquid.coin: unknown field; did you mean 'coins'?",
    'hyperliquid.coins = "BTC"': "hyperliquid.coins: must be a list, not text",
    'hyperliquid.coins = ["BTC", 1]': "hyperliquid.coins[1]: must be text, not a whole number",
    'hyperliquid.url = "api.hyperliquid.xyz"': "hyperliquid.url: must start with https:// or http://",
    'hyperliquid = {testnet = true, url = "http://x"}': (
        "hyperliquid.testnet: says one thing and hyperliquid.url another; keep one of them"
    ),
    f'account.address = "{ALICE}"': "account: must be written [[account]]",
    "account = [3]": "account[0]: must be a table, not a whole number",
    "[[account]]": "account[0].address: is required",
    f'{ACCOUNT}adress = "x"': "account[0].adress: unknown field; did you mean 'address'?",
    '[[account]]\naddress = "0x1234"': "account[0].address: must be an address: 0x and 40 hexadecimal digits",
    f'[[account]]\naddress = "0x{KEY}"': ("account[0].address: that looks like a private key; hlmon never needs one"),
    f'[[account]]\naddress = "{KEY.upper()}"': (
        "account[0].address: that looks like a private key; hlmon never needs one"
    ),
    f'{ACCOUNT}[[account]]\naddress = "0x{ALICE[2:].upper()}"': (
        "account[1].address: is the address of account[0] again"
    ),
    f'watchdog.ping_url = "https://hc-ping.com/{KEY}"': (
        'watchdog.ping_url: must be a reference, "env:NAME" or "file:/path", not the secret itself'
    ),
    "watchdog.ping_seconds = 9": "watchdog.ping_seconds: must be at least 10",
    'watchdog.healthz = "8731"': 'watchdog: healthz must be an address and a port, e.g. "127.0.0.1:8731"',
    'watchdog.healthz = "::1:8731"': 'watchdog: healthz must have an IPv6 address in brackets, e.g. "[::1]:8731"',
    'sinks.archive.type = "jsonl"': "sinks: unknown field; did you mean 'sink'?",
    '[sink]\ntype = "jsonl"': "sink: must be written [sink.NAME], with a name of your choice",
    '[[notifier]]\ntype = "log"': "notifier: must be written [notifier.NAME], with a name of your choice",
    "[sink.archive]": "sink.archive.type: is required",
    "sink.archive.type = 1": "sink.archive.type: must be text",
    '[rule."too big"]\ntype = "x"': "rule.'too big': a name has letters, digits, - and _ only",
    f'{PHONE}[route]\nto = ["phone"]': "route: must be written [[route]]",
    "[[route]]": "route[0].to: is required",
    "[[route]]\nto = []": "route[0].to: must name a notifier",
    '[[route]]\nto = ["phone"]': "route[0].to: unknown notifier 'phone'; write a [notifier.phone]",
    f'{PHONE}[[route]]\nto = ["fone"]': "route[0].to: unknown notifier 'fone'; did you mean 'phone'?",
    f'{PHONE}[[route]]\nto = "phone"': "route[0].to: must be a list, not text",
    f'{PHONE}[[route]]\nto = ["phone"]\nseverity = "high"': (
        "route[0].severity: must be one of 'info', 'warning', 'critical'"
    ),
    f'{ACCOUNT}{PHONE}[[route]]\nto = ["phone"]\naccounts = ["mian"]': (
        "route[0].accounts: unknown account 'mian'; did you mean 'main'?"
    ),
    f'{PHONE}[[route]]\nto = ["phone"]\naccounts = ["main"]': "route[0].accounts: unknown account 'main'",
    f'{PHONE}[[route]]\nto = ["phone"]\naccounts = ["{KEY}"]': (
        "route[0].accounts: that looks like a private key; hlmon never needs one"
    ),
}


def problem_of(text: str, environ: dict[str, str] | None = None, **replaced) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(None, environ={"HLMON_CONFIG_TOML": text, **(environ or {})}, **replaced)
    return re.sub(r"(?m)^HLMON_CONFIG_TOML:\d+: ", "", str(caught.value))


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_said_with_its_path(text):
    assert problem_of(text) == WRONG[text]


EIP_55 = (  # the examples of EIP-55
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
)


@pytest.mark.parametrize("address", EIP_55)
def test_an_address_whose_capitals_do_not_fit_is_misspelt_however_it_was_changed(address):
    assert address_problem(address) is None
    assert address_problem(address.lower()) is None
    assert address_problem(f"0x{address[2:].upper()}") is None
    for place in (place for place, digit in enumerate(address) if digit.isalpha() and place > 1):
        changed = address[:place] + address[place].swapcase() + address[place + 1 :]
        assert "misspelt" in address_problem(changed)


def test_every_problem_of_a_file_is_named_on_a_line_of_its_own():
    text = 'jurnal = "x"\nretention_days = 0\n[[account]]\naddres = "x"\n[hyperliquid]\ncvd_seconds = 0'
    assert sorted(problem_of(text).splitlines()) == [
        "account[0].addres: unknown field; did you mean 'address'?",
        "account[0].address: is required",
        "hyperliquid.cvd_seconds: must be at least 1",
        "jurnal: unknown field; did you mean 'journal'?",
        "retention_days: must be at least 1",
    ]


def test_a_byte_order_mark_before_the_config_is_no_part_of_it(tmp_path):
    (tmp_path / "hlmon.toml").write_bytes(b"\xef\xbb\xbf" + ACCOUNT.encode())
    assert load_config(tmp_path / "hlmon.toml", environ={}).account[0].address == ALICE


def test_an_address_of_a_route_may_come_from_outside_when_the_file_has_no_account():
    text = f'{PHONE}[[route]]\nto = ["phone"]\naccounts = ["{ALICE}"]'
    assert load_config(None, environ={"HLMON_CONFIG_TOML": text}).route[0].accounts == (ALICE,)


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"accounts": [ALICE, "0x12"]}, "--account[1]: must be an address: 0x and 40 hexadecimal digits"),
        ({"accounts": [f"0x{KEY}"]}, "--account[0]: that looks like a private key; hlmon never needs one"),
        (
            {"environ": {"ACCOUNT_ADDRESS": "0xYourAddress"}},
            "ACCOUNT_ADDRESS[0]: must be an address: 0x and 40 hexadecimal digits",
        ),
        ({"url": "localhost"}, "--url: must start with https:// or http://"),
        ({"url": "http://localhost", "testnet": True}, "--testnet: excludes --url; give one of them"),
    ],
)
def test_what_is_wrong_on_the_command_line_is_said_in_its_words(replaced, message):
    assert problem_of("", **replaced) == message


@pytest.mark.parametrize("key", [KEY, f"0x{KEY}", KEY.upper()])
def test_a_private_key_is_never_repeated(key):
    texts = [f'[[account]]\naddress = "{key}"', f'{PHONE}[[route]]\nto = ["phone"]\naccounts = ["{key}"]']
    said = [problem_of(text) for text in texts] + [problem_of("", accounts=[key])]
    assert all("private key" in text and key not in text for text in said)
