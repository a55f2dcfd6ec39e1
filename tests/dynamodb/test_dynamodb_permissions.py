"""The permissions that the sink states are enough, and none is too many: asked of a server that enforces them."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from hlmon import ConfigError, Settings
from hlmon.testing.builders import STORED_BUILDERS
from hlmon_dynamodb.config import DynamodbConfig
from hlmon_dynamodb.create import create_tables
from hlmon_dynamodb.needs import needs
from hlmon_dynamodb.sink import FACTORY
from hlmon_dynamodb.tables import TABLES, actions
from tests.servers.dynamodb import ministack

SETTINGS = Settings(name="aws")
PERMISSIONS = [(table.name, action) for table in TABLES for action in actions(table)]


class Aws:
    """An account with the tables and one user, who may do what the last `grant` says."""

    def __init__(self, url, root):
        self.config = DynamodbConfig(endpoint_url=url, region="us-east-1")
        self.iam = root.client("iam", endpoint_url=url)
        with closing(root.client("sts", endpoint_url=url)) as client:
            self.account = client.get_caller_identity()["Account"]
        self.iam.create_user(UserName="hlmon")
        self.key = self.iam.create_access_key(UserName="hlmon")["AccessKey"]

    def grant(self, *without):
        """What the sink needs, but for one action on one table."""
        statements = []
        for need in needs(self.config):
            table = need.name.removeprefix(self.config.prefix)
            if need.kind == "permission":
                allowed = [action for action in need.details["actions"] if (table, action) != without]
                resource = f"arn:aws:dynamodb:us-east-1:{self.account}:table/{need.name}"
                statements += [{"Effect": "Allow", "Action": allowed, "Resource": resource}] if allowed else []
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self.iam.put_user_policy(UserName="hlmon", PolicyName="sink", PolicyDocument=policy)


@pytest.fixture(scope="module")
def account(tmp_path_factory, root_session):
    with ministack(tmp_path_factory.mktemp("ministack-iam"), AUTH="true") as url:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ACCESS_KEY_ID", "test")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
            list(create_tables(DynamodbConfig(endpoint_url=url, region="us-east-1")))
        found = Aws(url, root_session)
        with closing(found.iam):
            yield found


@pytest.fixture
def aws(account, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", account.key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", account.key["SecretAccessKey"])
    return account


def test_with_the_permissions_that_it_states_the_sink_opens_and_stores_every_kind(aws):
    aws.grant()
    with FACTORY.open(aws.config, SETTINGS) as sink:
        sink.write([build() for build in STORED_BUILDERS.values()])
        assert len(list(sink.load_checkpoints())) == 1


@pytest.mark.parametrize(("table", "action"), PERMISSIONS)
def test_without_one_of_them_opening_names_what_is_missing(aws, table, action):
    aws.grant(table, action)
    with pytest.raises(ConfigError, match=f"access denied .*{action}.*docs/dynamodb.md"):
        with FACTORY.open(aws.config, SETTINGS):
            pass
