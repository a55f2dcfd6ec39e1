"""Needs of plugins to plain resources."""

from __future__ import annotations

import pytest

from hlmon.contract import Need
from hlmon.errors import ConfigError
from hlmon.needs import Grant, KeyPart, Table
from hlmon.parts import Needed
from hlmon_deploy.needs import is_own_arn, resources_of
from hlmon_dynamodb.tables import TABLES, actions


def needed(*needs: Need, group: str = "acme") -> list[Needed]:
    return [Needed("far (acme)", group, need) for need in needs]


def test_the_tables_and_grants_of_dynamodb_are_those_of_its_own_definition(deploy):
    resources = deploy.plan(db_mode="dynamodb").resources
    assert [table.name for table in resources.tables] == [f"hl-{table.name}" for table in TABLES]
    assert all(table.recovery and table.ttl_attribute == "expires_at" for table in resources.tables)
    assert {(grant.table, grant.actions) for grant in resources.grants} == {
        (f"hl-{t.name}", actions(t)) for t in TABLES
    }
    assert resources.secrets == {}


def test_the_prefix_of_the_config_is_that_of_the_tables(deploy, tmp_path):
    deploy.config(tmp_path, '[sink.a]\ntype = "dynamodb"\nprefix = "x-"')
    resources = deploy.plan(tmp_path, config="hlmon.toml").resources
    assert {table.name[:2] for table in resources.tables} == {"x-"}


def test_supabase_needs_its_secret_and_no_table(deploy):
    resources = deploy.plan(db_mode="supabase").resources
    assert resources.tables == resources.grants == ()
    assert resources.secrets == {"hl-monitor/supabase": ("SUPABASE_URL", "SUPABASE_SERVICE_KEY")}


def test_an_independent_plugin_gets_what_it_needs(deploy, tmp_path, acme):
    pager = '[notifier.pager]\ntype = "acme-pager"\naddress = "env:ACME_PAGER"'
    deploy.config(tmp_path, f'[sink.far]\ntype = "acme-shelf"\npath = "shelf.db"\n{pager}')
    resources = deploy.plan(tmp_path, config="hlmon.toml").resources
    assert resources.tables == (Table(name="shelf", partition=KeyPart("name", "S")),)
    assert resources.grants == (Grant(actions=("dynamodb:PutItem",), why="to put events on the shelf", table="shelf"),)
    assert resources.secrets == {"hl-monitor/notify": ("ACME_PAGER",)}


def test_the_url_of_the_watchdog_lies_in_a_secret_of_its_own(deploy, tmp_path):
    deploy.config(tmp_path, '[watchdog]\nping_url = "env:PING_URL"')
    resources = deploy.plan(tmp_path, config="hlmon.toml", db_mode="dynamodb").resources
    assert resources.secrets == {"hl-monitor/watchdog": ("PING_URL",)}


def test_a_secret_in_a_file_of_this_machine_is_refused_with_its_place(deploy, tmp_path):
    deploy.config(
        tmp_path,
        """
        [watchdog]
        ping_url = "file:/run/ping"
        [notifier.ops]
        type = "webhook"
        url = "env:URL"
        headers.Authorization = "file:/run/token"
        """,
    )
    with pytest.raises(ConfigError) as caught:
        deploy.plan(tmp_path, config="hlmon.toml")
    assert str(caught.value).splitlines() == [
        "ops (webhook).headers.Authorization: file:/run/token is a file that the container does not have; use env:NAME",
        "watchdog.ping_url: file:/run/ping is a file that the container does not have; use env:NAME",
    ]


def test_notifiers_share_one_secret_and_a_variable_lies_in_one_only():
    need = Need(kind="secret", name="TOKEN", why="")
    assert resources_of(needed(need, need, group="notify"), {}).secrets == {"hl-monitor/notify": ("TOKEN",)}


def test_a_variable_without_a_value_is_taken_from_the_environment_of_cdk():
    need = Need(kind="env", name="MODE", why="how it works")
    assert resources_of(needed(need), {"MODE": "slow"}).variables == {"MODE": "slow"}
    with pytest.raises(ConfigError, match=r"far \(acme\): its need 'MODE' .* set MODE in the environment"):
        resources_of(needed(need), {})


@pytest.mark.parametrize(
    ("need", "said"),
    [
        (Need(kind="table", name="t", why=""), "lack 'partition_key'"),
        (
            Need(kind="table", name="t", why="", details={"partition_key": {"name": "a", "type": "X"}}),
            "must be S, N or B",
        ),
        (Need(kind="table", name="t", why="", details={"billing": "provisioned"}), "only on-demand"),
        (Need(kind="permission", name="p", why="", details={"actions": ["*"], "table": "t"}), "actions must be a list"),
        (Need(kind="permission", name="p", why="", details={"actions": ["a:b"]}), "lack 'resource'"),
        (Need(kind="topic", name="alerts", why=""), "must be named by its ARN"),
        (Need(kind="secret", name="no-name", why=""), "must be that of an environment variable"),
    ],
)
def test_a_need_that_cannot_be_met_names_its_part(need, said):
    with pytest.raises(ConfigError, match=r"far \(acme\): its need") as caught:
        resources_of(needed(need), {})
    assert said in str(caught.value)


def test_two_different_tables_of_one_name_are_refused():
    first, second = (
        Need(kind="table", name="t", why="", details={"partition_key": {"name": name, "type": "S"}}) for name in "ab"
    )
    assert len(resources_of(needed(first, first), {}).tables) == 1
    with pytest.raises(ConfigError, match="another part needs a table of this name"):
        resources_of(needed(first, second), {})


def test_the_topic_of_the_stack_is_known_by_its_name():
    assert is_own_arn("arn:aws:sns:us-east-1:000000000000:hl-monitor-alerts")
    assert not is_own_arn("arn:aws:sns:us-east-1:000000000000:other")
    assert not is_own_arn("hl-monitor-alerts")
