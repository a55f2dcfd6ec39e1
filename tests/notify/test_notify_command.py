"""`hlmon notify test`, the real program, says what the services answered."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from hlmon import Secret

CONFIG = """
[notifier.team]
type = "discord"
[notifier.hook]
type = "webhook"
secret = "env:WEBHOOK_SECRET"
"""


@pytest.fixture
def tested(discord, receiver, tmp_path):
    """The finished program, after it tried a Discord webhook and a webhook."""
    (tmp_path / "hlmon.toml").write_text(CONFIG)
    command = [sys.executable, "-m", "hlmon", "notify", "test"]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)


def test_the_sample_arrives_at_each_service_and_its_answer_is_shown(tested, discord, receiver):
    assert (tested.returncode, tested.stdout.count("  accepted after ")) == (0, 2)
    messages = [json.loads(line)["message"] for line in tested.stderr.splitlines()]
    assert [text for text in messages if "answers 20" in text] != []
    assert b"TEST: BTC long closed" in discord.requests[-1].body
    assert b"TEST: BTC long closed" in receiver.requests[-1].body


def test_no_secret_is_shown(tested):
    for reference in ("env:DISCORD_WEBHOOK_URL", "env:WEBHOOK_URL", "env:WEBHOOK_SECRET"):
        assert Secret(reference).reveal() not in tested.stdout + tested.stderr
