"""Findings of cdk-nag that are as they should be, each with its reason at the resource that has it."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import IConstruct


def acknowledge(construct: IConstruct, reasons: dict[str, str]) -> None:
    """Accept these findings (`AwsSolutions-` is added) of this construct and what is in it."""
    findings = [cdk.Acknowledgment(id=f"AwsSolutions-{rule}", reason=reason) for rule, reason in reasons.items()]
    cdk.Validations.of(construct).acknowledge(*findings)
