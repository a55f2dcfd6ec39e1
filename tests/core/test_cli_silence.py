"""`hlmon silence`, as typed."""

from __future__ import annotations

import json
import re
import time

import pytest
from click.testing import CliRunner

from hlmon.cli import program
from hlmon.delivery.silences import SilenceFile, read_silences, silences_path, write_silences
from hlmon.errors import HlmonError
from hlmon.routing import Silence
from hlmon.testing.builders import ALICE

CONFIG = f"""
[[account]]
address = "{ALICE}"
label = "main"
[rule.margin]
type = "margin"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hlmon.toml").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def file(folder):
    return silences_path(folder / "hlmon.db")


def run(*arguments: str):
    return CliRunner().invoke(program, ["silence", *arguments], prog_name="hlmon")


def test_a_silence_is_added_listed_and_removed(file):
    added = run("add", "2h", "--rule", "margin", "--account", "main", "--label", "coin=BTC", "--label", "coin=ETH")
    assert added.exit_code == 0
    assert added.output.endswith("rule margin, account main, coin BTC or ETH.\n")
    (silence,) = read_silences(file)
    assert (silence.rules, silence.accounts, silence.labels) == (("margin",), ("main",), {"coin": ("BTC", "ETH")})
    listed = run("list").output
    assert silence.id in listed
    assert re.search(r"1 h 59 min|2 h", listed)
    assert run("remove", silence.id).output == f"Removed {silence.id}.\n"
    assert run("list").output == "No silences.\n"


def test_without_options_every_alert_is_silenced(file):
    assert "every alert" in run("add", "10m", "--why", "moving").output
    assert [each.why for each in json.loads(run("list", "--json").output) and read_silences(file)] == ["moving"]


@pytest.mark.parametrize(
    ("text", "minutes"), [("30m", 30), ("2h", 120), ("1h30m", 90), ("1d", 1440), ("1w", 10080), ("1d12h", 2160)]
)
def test_a_silence_lasts_as_long_as_it_says(file, text, minutes):
    before_ms = time.time_ns() // 1_000_000
    run("add", text)
    (silence,) = read_silences(file)
    assert silence.until_ms - silence.created_ms == minutes * 60_000
    assert silence.created_ms >= before_ms


@pytest.mark.parametrize("text", ["", "2", "h", "-2h", "2x", "0m", "2h30", "2 h", "1.5h"])
def test_what_is_no_length_of_time_is_refused(file, text):
    result = run("add", "--", text)
    assert result.exit_code == 2
    assert "must be a length of time such as 30m" in result.output
    assert not file.exists()


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--rule", "margn"), "--rule: unknown rule 'margn'; did you mean 'margin'?"),
        (("--account", "mian"), "--account: unknown account 'mian'; did you mean 'main'?"),
        (("--label", "coin"), "--label: 'coin' must be NAME=VALUE"),
    ],
)
def test_a_silence_that_would_silence_nothing_is_refused(file, option, said):
    result = run("add", "1h", *option)
    assert result.exit_code == 2
    assert said in result.output
    assert not file.exists()


def test_a_silence_that_is_unknown_cannot_be_removed(file):
    run("add", "1h")
    result = run("remove", "nothing")
    assert result.exit_code == 2
    assert "unknown silence 'nothing'" in result.output
    assert len(read_silences(file)) == 1


def test_silences_that_are_over_are_neither_listed_nor_kept(file):
    write_silences(file, [Silence(id="old", created_ms=0, until_ms=1)])
    assert run("list").output == "No silences.\n"
    run("add", "1h")
    assert [each.id for each in read_silences(file)] != ["old"]
    assert len(read_silences(file)) == 1


def test_a_file_of_another_shape_is_refused_and_stays(file):
    file.write_text('[{"id": 3}]')
    result = run("add", "1h")
    assert result.exit_code == 4
    assert "the silences cannot be read" in result.output
    assert file.read_text() == '[{"id": 3}]'


def test_the_monitor_sees_a_new_file_and_no_change_where_none_is(file):
    seen = SilenceFile(file)
    assert not seen.refresh()
    run("add", "1h")
    assert seen.refresh()
    assert len(seen.silences) == 1
    assert not seen.refresh()
    file.unlink()
    assert seen.refresh()
    assert seen.silences == ()


def test_a_write_that_fails_leaves_nothing_behind(folder, monkeypatch):
    target = folder / "hlmon.db.silences.json"
    target.mkdir()
    with pytest.raises(HlmonError, match="cannot be written"):
        write_silences(target, [])
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
