"""The CDK app: `cdk deploy --context db_mode=dynamodb`, run in this folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import aws_cdk as cdk

from hlmon.errors import ConfigError
from hlmon.plugins import load_catalogue
from hlmon_deploy.names import STACK
from hlmon_deploy.plan import read_plan
from hlmon_deploy.settings import read_settings
from hlmon_deploy.stack import HyperliquidMonitorStack


def main() -> None:
    """Synthesize the stack, or end with one clear line for each thing that is wrong."""
    app = cdk.App()
    folder = Path.cwd()
    try:
        settings = read_settings(app.node.get_all_context(), folder)
        plan = read_plan(settings, load_catalogue(), folder, os.environ)
        HyperliquidMonitorStack(app, STACK, plan=plan, env=cdk.Environment(region=settings.region))
        app.synth()
    except ConfigError as error:
        sys.exit(f"hlmon: {error}")


main()
