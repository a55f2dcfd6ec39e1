"""Tables, secrets and grants, exactly as the configured plugins need them."""

from __future__ import annotations

import json
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from hlmon.needs import Grant, KeyPart, Table
from hlmon_deploy.acknowledged import NO_OWN_KEY, acknowledge
from hlmon_deploy.container import ACCOUNTS, UNSET
from hlmon_deploy.names import CREDENTIALS, TOPIC
from hlmon_deploy.needs import Resources, is_own_arn
from hlmon_deploy.settings import Data

_TYPES: Final = {
    "S": dynamodb.AttributeType.STRING,
    "N": dynamodb.AttributeType.NUMBER,
    "B": dynamodb.AttributeType.BINARY,
}


class Store(Construct):
    """The tables and secrets of the stack. A secret's first value never changes, so a deployment overwrites none."""

    def __init__(self, scope: Construct, name: str, *, resources: Resources, data: Data) -> None:
        super().__init__(scope, name)
        self.credentials = self._secret(CREDENTIALS, "The accounts to watch", {ACCOUNTS: UNSET})
        self.secrets = {each: self._secret(each, f"Read by hlmon from {each}", {}) for each in resources.secrets}
        self._tables = {table.name: self._table(table, data) for table in resources.tables}

    def allow(self, role: iam.IRole, grants: tuple[Grant, ...]) -> None:
        """Let the role do what the plugins say, and nothing else."""
        stack = cdk.Stack.of(self)
        for grant in grants:
            if grant.table in self._tables:
                resource = self._tables[grant.table].table_arn
            elif grant.table:
                resource = stack.format_arn(service="dynamodb", resource="table", resource_name=grant.table)
            elif is_own_arn(grant.resource):
                resource = stack.format_arn(service="sns", resource=TOPIC)
            else:
                resource = grant.resource
            role.add_to_principal_policy(iam.PolicyStatement(actions=list(grant.actions), resources=[resource]))
            if "*" in grant.resource:
                acknowledge(role, {f"IAM5[Resource::{grant.resource}]": f"A plugin asks for it: {grant.why}"})

    def _secret(self, name: str, description: str, first: dict[str, str]) -> secretsmanager.Secret:
        identity = "".join(word.capitalize() for word in name.replace("-", "/").split("/"))
        secret = secretsmanager.Secret(
            self,
            identity,
            secret_name=name,
            description=description,
            secret_string_value=cdk.SecretValue.unsafe_plain_text(json.dumps(first)),
        )
        secret.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
        issued = "Other services issue what is in it, so AWS cannot rotate it"
        acknowledge(secret, {"SMG4": issued, "CKV_AWS_149": NO_OWN_KEY})
        return secret

    def _table(self, table: Table, data: Data) -> dynamodb.Table:
        made = dynamodb.Table(
            self,
            table.name,
            table_name=table.name,
            partition_key=_attribute(table.partition),
            sort_key=_attribute(table.sort) if table.sort else None,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            time_to_live_attribute=table.ttl_attribute,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=table.recovery
            ),
            removal_policy=cdk.RemovalPolicy.RETAIN if data == "keep" else cdk.RemovalPolicy.DESTROY,
        )
        acknowledge(made, {"CKV_AWS_119": NO_OWN_KEY})
        return made


def _attribute(part: KeyPart) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=part.name, type=_TYPES[part.type])
