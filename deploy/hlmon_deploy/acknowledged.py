"""Findings of cdk-nag and checkov that are as they should be, each with its reason at the resource that has it."""

from __future__ import annotations

from typing import Final

import aws_cdk as cdk
from constructs import IConstruct

OF_CHECKOV: Final = "CKV_"
"""What checkov's rules begin with; those of cdk-nag are named without their `AwsSolutions-`."""

NO_OWN_KEY: Final = "AWS encrypts it with a key of its own; one of ours would cost a dollar a month and each use of it"


def acknowledge(construct: IConstruct, reasons: dict[str, str]) -> None:
    """Accept these findings: cdk-nag's of this construct and what is in it, checkov's of its own resource alone."""
    ours = {rule: reason for rule, reason in reasons.items() if rule.startswith(OF_CHECKOV)}
    others = [
        cdk.Acknowledgment(id=f"AwsSolutions-{rule}", reason=reason)
        for rule, reason in reasons.items()
        if rule not in ours
    ]
    cdk.Validations.of(construct).acknowledge(*others)
    if ours:
        resource = construct.node.default_child
        assert isinstance(resource, cdk.CfnResource)  # noqa: S101  # for the type checker
        resource.add_metadata("checkov", {"skip": [{"id": rule, "comment": ours[rule]} for rule in ours]})
