"""Config and choice of plugins to what is deployed."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlmon.errors import ConfigError
from hlmon_deploy.toml import to_toml

ALICE = "0x" + "aa" * 20
BOB = "0x" + "bb" * 20
TOPIC = "arn:aws:sns:eu-central-1:999999999999:hl-monitor-alerts"


def names(plan) -> list[str]:
    return [plugin.name for plugin in plan.manifest.plugins]


def test_without_a_config_the_monitor_keeps_everything_in_dynamodb(deploy):
    plan = deploy.plan()
    assert plan.manifest.document == {"sink": {"dynamodb": {"type": "dynamodb"}}}
    assert names(plan) == ["hlmon-dynamodb"]


@pytest.mark.parametrize("mode", ["dynamodb", "supabase"])
def test_the_database_mode_names_the_sink_and_its_plugin(deploy, mode):
    plan = deploy.plan(db_mode=mode)
    assert [part.factory.name for part in plan.manifest.parts.sinks] == [mode]
    assert names(plan) == [f"hlmon-{mode}"]


def test_a_sink_of_the_config_is_not_added_again(deploy, tmp_path):
    deploy.config(tmp_path, '[sink.mine]\ntype = "dynamodb"\nprefix = "x-"')
    plan = deploy.plan(tmp_path, db_mode="dynamodb", config="hlmon.toml")
    assert list(plan.manifest.document["sink"]) == ["mine"]


def test_without_a_mode_the_sinks_of_the_config_are_all_there_are(deploy, tmp_path):
    deploy.config(tmp_path, '[sink.files]\ntype = "jsonl"\npath = "/tmp/out.jsonl"')
    assert names(deploy.plan(tmp_path, config="hlmon.toml")) == []


def test_a_sink_with_the_name_of_the_mode_and_another_type_is_refused(deploy, tmp_path):
    deploy.config(tmp_path, '[sink.dynamodb]\ntype = "jsonl"\npath = "/tmp/out.jsonl"')
    with pytest.raises(ConfigError, match=r"sink.dynamodb.type: is not 'dynamodb'"):
        deploy.plan(tmp_path, db_mode="dynamodb", config="hlmon.toml")


def test_a_config_that_names_a_plugin_which_is_not_chosen_fails_with_its_name(deploy, tmp_path, acme):
    deploy.config(tmp_path, '[sink.far]\ntype = "acme-shelf"\npath = "shelf.db"')
    said = r"sink.far.type 'acme-shelf' is of the plugin acme-hlmon, which .* does not choose"
    with pytest.raises(ConfigError, match=said):
        deploy.plan(tmp_path, config="hlmon.toml", plugins="hlmon-dynamodb")


def test_a_config_that_names_what_nobody_provides_fails_with_its_path(deploy, tmp_path):
    deploy.config(tmp_path, '[sink.far]\ntype = "nowhere"')
    with pytest.raises(ConfigError, match=r"hlmon.toml:2: sink.far.type: unknown sink 'nowhere'"):
        deploy.plan(tmp_path, config="hlmon.toml")


def test_a_wrong_config_is_told_with_its_file(deploy, tmp_path):
    deploy.config(tmp_path, "retention_days = 0")
    with pytest.raises(ConfigError, match=r"hlmon.toml:1: retention_days: must be at least 1"):
        deploy.plan(tmp_path, config="hlmon.toml")


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ("hlmon-nothing", "hlmon-nothing is chosen but not installed"),
        ("acme-hlmon==9.9", "acme-hlmon is chosen as 9.9, but 2.5 is installed"),
        ("not a name!", "is no plugin"),
        ("missing-1.0-py3-none-any.whl", "there is no file"),
        ("nonsense.whl", "is no plugin"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(deploy, acme, chosen, said):
    with pytest.raises(ConfigError, match=said):
        deploy.plan(
            plugins="hlmon-dynamodb," + chosen.replace(" ", "_") if "!" in chosen else f"hlmon-dynamodb,{chosen}"
        )


def test_a_plugin_may_be_chosen_by_version_and_by_wheel(deploy, acme):
    assert names(deploy.plan(plugins="hlmon-dynamodb,acme-hlmon==2.5")) == ["hlmon-dynamodb", "acme-hlmon"]
    plan = deploy.plan(acme.parent, plugins=f"hlmon-dynamodb,{acme.name}")
    assert plan.manifest.plugins[1].wheel == acme


def test_accounts_come_from_the_context_before_the_config(deploy, tmp_path):
    deploy.config(tmp_path, f'[[account]]\naddress = "{ALICE}"')
    assert deploy.plan(tmp_path, config="hlmon.toml").manifest.accounts == (ALICE,)
    assert deploy.plan(tmp_path, config="hlmon.toml", accounts=BOB).manifest.accounts == (BOB,)


def test_more_shards_than_accounts_are_refused(deploy):
    with pytest.raises(ConfigError, match="3 are more than the 2 accounts"):
        deploy.plan(shards="3", accounts=f"{ALICE},{BOB}")


def test_market_trades_are_followed_by_the_first_shard_alone(deploy, tmp_path):
    deploy.config(tmp_path, '[hyperliquid]\ncoins = ["BTC"]\nsnapshot_seconds = 30')
    manifest = deploy.plan(tmp_path, config="hlmon.toml", shards="2").manifest
    first, second = (tomllib.loads(manifest.toml(shard, TOPIC))["hyperliquid"] for shard in (1, 2))
    assert (first["coins"], second["coins"]) == (["BTC"], [])
    assert first["snapshot_seconds"] == second["snapshot_seconds"] == 30


def test_the_own_topic_gets_its_real_arn_and_others_stay(deploy):
    manifest = deploy.plan().manifest
    other = "arn:aws:sns:us-east-1:000000000000:others"
    written = {"notifier": {"a": {"arn": "arn:aws:sns:us-east-1:000000000000:hl-monitor-alerts"}, "b": {"arn": other}}}
    changed = tomllib.loads(replace(manifest, document=written).toml(1, TOPIC))
    assert changed["notifier"] == {"a": {"arn": TOPIC}, "b": {"arn": other}}


_VALUES = st.one_of(
    st.text(st.characters(blacklist_categories=["Cs"])),
    st.booleans(),
    st.integers(-(2**62), 2**62),
    st.floats(allow_nan=False),
    st.dates(),
)
_NESTED = st.recursive(
    _VALUES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(blacklist_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(st.characters(blacklist_categories=["Cs"])), _NESTED, max_size=4))
def test_a_document_reads_back_as_it_was_written(document):
    assert tomllib.loads(to_toml(document)) == document
