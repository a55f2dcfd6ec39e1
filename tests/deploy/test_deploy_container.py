"""The first program of the container."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hlmon_deploy import container
from hlmon_deploy.container import accounts_of, command_of, unpacked, variable_of

ALICE = "0x" + "aa" * 20
BOB = "0x" + "bb" * 20
CAROL = "0x" + "cc" * 20
WANTED = json.dumps({"hl-monitor/supabase": ["SUPABASE_URL", "SUPABASE_SERVICE_KEY"]})


def environ(**values: str) -> dict[str, str]:
    return {"PATH": "/bin", "ACCOUNT_ADDRESS": ALICE, "HLMON_WANTED_SECRETS": WANTED, **values}


def test_the_values_of_a_secret_become_variables_and_nothing_that_nobody_asked_for():
    secret = json.dumps({"SUPABASE_URL": "u", "SUPABASE_SERVICE_KEY": "k", "SUPABASE_ANON_KEY": "a"})
    found, missing = unpacked(environ(**{variable_of("hl-monitor/supabase"): secret}))
    assert missing == []
    assert found == {"PATH": "/bin", "ACCOUNT_ADDRESS": ALICE, "SUPABASE_URL": "u", "SUPABASE_SERVICE_KEY": "k"}


@pytest.mark.parametrize("secret", ["{}", "", '{"SUPABASE_URL": "u", "SUPABASE_SERVICE_KEY": "unset"}'])
def test_what_is_not_filled_yet_is_named_with_its_secret(secret):
    _, missing = unpacked(environ(**{variable_of("hl-monitor/supabase"): secret}))
    assert missing[-1] == "SUPABASE_SERVICE_KEY in the secret hl-monitor/supabase"


@pytest.mark.parametrize("secret", ["hush", "[1]", '"hush"'])
def test_a_secret_that_is_no_object_is_told_without_repeating_it(secret):
    _, missing = unpacked(environ(**{variable_of("hl-monitor/supabase"): secret}))
    assert missing == ["the secret hl-monitor/supabase must be a JSON object of names and values"]


@pytest.mark.parametrize("address", ["unset", "", " "])
def test_without_an_account_the_credentials_are_waited_for(address):
    _, missing = unpacked({"ACCOUNT_ADDRESS": address})
    assert missing == ["ACCOUNT_ADDRESS in the secret hl-monitor/prod/credentials"]


def test_the_accounts_are_spread_over_the_shards_and_a_new_one_moves_no_other():
    shards = [accounts_of(f"{ALICE}, {BOB} {CAROL}", f"{number}/2") for number in (1, 2)]
    assert shards == [[ALICE, CAROL], [BOB]]
    assert accounts_of(f"{ALICE} {BOB}", "2/2") == [BOB]


def test_the_command_watches_the_accounts_of_its_shard():
    found = {"ACCOUNT_ADDRESS": f"{ALICE} {BOB}", "HLMON_JOURNAL": "/j", "HLMON_SHARD": "2/2"}
    assert command_of(found) == ["hlmon", "run", "--wait-for-accounts", "--journal", "/j", "--account", BOB]
    assert command_of(found | {"HLMON_SHARD": "3/3"}) == []


def test_it_becomes_the_monitor_with_the_unpacked_environment(monkeypatch):
    seen = {}
    monkeypatch.setattr(os, "environ", {"ACCOUNT_ADDRESS": ALICE, "HLMON_JOURNAL": "/j", "HLMON_SECRET_X": "hush"})
    monkeypatch.setattr(
        os, "execvpe", lambda *arguments: seen.update(zip(("file", "args", "env"), arguments, strict=True))
    )
    container.main()
    assert seen["file"] == "hlmon"
    assert "hush" not in str(seen)


def test_with_empty_secrets_it_waits_says_for_what_and_ends_at_sigterm(tmp_path):
    script = tmp_path / "container.py"
    script.write_text(Path(container.__file__).read_text().replace("/tmp/waiting", str(tmp_path / "waiting")))
    environ = {"ACCOUNT_ADDRESS": "unset", "HLMON_WANTED_SECRETS": WANTED}
    with subprocess.Popen(
        [sys.executable, "-S", str(script)], env=environ, stderr=subprocess.PIPE, text=True
    ) as process:
        lines = [json.loads(process.stderr.readline()) for _ in range(3)]
        assert (tmp_path / "waiting").exists()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert [line["level"] for line in lines] == ["warning"] * 3
    assert lines[0]["message"] == (
        "waiting for SUPABASE_URL in the secret hl-monitor/supabase; then force a new deployment of the service"
    )
    assert "hl-monitor/prod/credentials" in lines[2]["message"]
