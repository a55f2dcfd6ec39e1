"""An emulated AWS that enforces policies, and the roles of a stack in it.

A role is for one service of AWS alone. The emulator takes the account's root for that service, so it is the very role
of the stack that is asked here and no copy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import ClientError

ACCOUNT, REGION = "000000000000", "us-east-1"
DENIALS = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}
"""How the services say that something is not allowed."""

ROOT = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


class Call(NamedTuple):
    """One call, and the roles that may make it. Made by root it is done, or ends with `end`."""

    service: str
    operation: str
    arguments: dict[str, Any]
    may: frozenset[str] = frozenset()
    end: str = ""


class Account:
    """The account, and the credentials of these roles (name -> part of its name in AWS)."""

    def __init__(self, url: str, stack: ExitStack, roles: Mapping[str, str]) -> None:
        self.url, self._stack = url, stack
        self._session = boto3.Session(region_name=REGION)
        self._session.events.register("before-sign", _as_a_proxy_that_ends_tls)
        self._clients: dict[tuple[str, str], Any] = {}
        self.credentials = {"root": ROOT}
        names = [role["RoleName"] for role in self.client("root", "iam").list_roles()["Roles"]]
        self.names = {role: next(name for name in names if part in name) for role, part in roles.items()}
        for role, name in self.names.items():
            self.credentials[role] = self._assume(name)

    def client(self, role: str, service: str) -> Any:
        """A client that comes over TLS, as far as the account can tell."""
        if (role, service) not in self._clients:
            made = self._session.client(service, endpoint_url=self.url, **self.credentials[role])
            self._clients[role, service] = made
            self._stack.callback(made.close)
        return self._clients[role, service]

    def answer(self, role: str, call: Call) -> str:
        """What the role is told: nothing if it is done, else the code of the error."""
        try:
            getattr(self.client(role, call.service), call.operation)(**call.arguments)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return ""

    def reword(self, role: str, words: Mapping[str, str]) -> None:
        """Name resources otherwise in the role's policies, for an emulator that names them otherwise."""
        iam, name = self.client("root", "iam"), self.names[role]
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            text = json.dumps(iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"])
            for theirs, ours in words.items():
                text = text.replace(theirs, ours)
            iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=text)

    def _assume(self, name: str) -> dict[str, str]:
        arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
        found = self.client("root", "sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        return {
            "aws_access_key_id": found["AccessKeyId"],
            "aws_secret_access_key": found["SecretAccessKey"],
            "aws_session_token": found["SessionToken"],
        }


def _as_a_proxy_that_ends_tls(request: Any, **_: object) -> None:
    request.headers["X-Forwarded-Proto"] = "https"
