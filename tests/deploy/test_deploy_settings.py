"""The context of cdk: what it means, and what is said of what is wrong."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hlmon.errors import ConfigError
from hlmon_deploy.settings import DeploySettings, read_settings

ALICE = "0x" + "AA" * 20
BOB = "0x" + "bb" * 20


def test_without_context_everything_has_its_default(tmp_path):
    assert read_settings({}, tmp_path) == DeploySettings()


def test_every_setting_is_read(tmp_path):
    (tmp_path / "hlmon.toml").touch()
    context = {
        "db_mode": "supabase",
        "config": "hlmon.toml",
        "plugins": "hlmon-dynamodb, acme-hlmon==2.5",
        "accounts": f"{ALICE},{BOB}",
        "region": "eu-central-1",
        "capacity": "ondemand",
        "arch": "x86_64",
        "shards": "3",
        "image": "example/hlmon:1",
        "relay": "ops, oncall",
        "email": "ops@example.com",
        "budget": "12.50",
        "data": "delete",
    }
    assert read_settings(context, tmp_path) == DeploySettings(
        db_mode="supabase",
        config=tmp_path / "hlmon.toml",
        plugins=("hlmon-dynamodb", "acme-hlmon==2.5"),
        accounts=(ALICE.lower(), BOB),
        region="eu-central-1",
        capacity="ondemand",
        arch="x86_64",
        shards=3,
        image="example/hlmon:1",
        relay=("ops", "oncall"),
        email="ops@example.com",
        budget=Decimal("12.50"),
        data="delete",
    )


def test_context_of_cdk_itself_is_left_alone(tmp_path):
    given = {"@aws-cdk/core:x": True, "availability-zones:account=1": [], "aws:cdk:enable-path-metadata": True}
    assert read_settings(given, tmp_path) == DeploySettings()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("db_mode", "mysql", "must be one of dynamodb, supabase"),
        ("config", "none.toml", "there is no file"),
        ("accounts", "0x12", "address 1 must be an address"),
        ("accounts", "ab" * 32, "looks like a private key"),
        ("region", "Frankfurt", "must be a region"),
        ("capacity", "cheap", "must be one of spot, ondemand"),
        ("arch", "mips", "must be one of arm64, x86_64"),
        ("shards", "0", "from 1 to 20"),
        ("shards", "two", "from 1 to 20"),
        ("email", "me", "must be an e-mail address"),
        ("budget", "NaN", "an amount in USD"),
        ("budget", "-1", "an amount in USD"),
        ("data", "lose", "must be one of keep, delete"),
        ("image", " ", "must not be empty"),
        ("plugin", "hlmon-dynamodb", "unknown; did you mean 'plugins'?"),
    ],
)
def test_what_is_wrong_is_named_with_its_setting(tmp_path, name, value, said):
    with pytest.raises(ConfigError, match=f"--context {name}: ") as caught:
        read_settings({name: value}, tmp_path)
    assert said in str(caught.value)
    assert "abab" not in str(caught.value)


def test_every_problem_is_told_at_once(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read_settings({"db_mode": "x", "shards": "x", "colour": "red"}, tmp_path)
    assert len(str(caught.value).splitlines()) == 3
