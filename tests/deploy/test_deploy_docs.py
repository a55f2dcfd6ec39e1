"""The page about deploying is true: its commands name what the stack has, and its tables are whole."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from hlmon.addresses import address_problem
from hlmon.cli import program
from hlmon_deploy.settings import DeploySettings, read_settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/deploy.md").read_text()
FOUNDING = ("cdk bootstrap", "cdk deploy", "cdk destroy", "aws logs tail /ecs/hl-monitor", "aws ecs update-service")


def commands(name: str) -> list[list[str]]:
    """Every command of this program in the page, in words."""
    text = "\n".join(re.findall(r"^```bash\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)).replace("\\\n", " ")
    return [words for words in _split(text) if words[0] == name]


def _split(text: str) -> list[list[str]]:
    found, pending = [], ""
    for line in text.splitlines():
        pending += line + "\n"
        try:
            words = shlex.split(pending)
        except ValueError:  # a quotation goes on in the next line
            continue
        pending = ""
        found += [words] if words else []
    assert pending == ""
    return found


def option(words: list[str], name: str) -> str | None:
    return words[words.index(name) + 1] if name in words else None


def rows(heading: str) -> dict[str, str]:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([\w-]+)`.*? \| (.*) \|$", section, re.MULTILINE))


@pytest.mark.parametrize("command", FOUNDING)
def test_the_page_has_the_commands_that_operators_know(command):
    assert command in PAGE


def test_the_context_of_every_cdk_command_is_accepted(tmp_path):
    (tmp_path / "hlmon.toml").touch()
    folder = tmp_path / "deploy"
    folder.mkdir()
    for words in commands("cdk"):
        given = [words[place + 1] for place, word in enumerate(words) if word == "--context"]
        read_settings(dict(pair.split("=", 1) for pair in given), folder)


def test_every_setting_is_a_row_with_its_default():
    settings = rows("Settings")
    assert set(settings) == {field.name for field in fields(DeploySettings)}
    for field in fields(DeploySettings):
        if isinstance(field.default, str | int | Decimal):
            assert settings[field.name].startswith(f"`{field.default}`")


def test_the_secrets_that_are_filled_are_those_of_the_stack_with_the_names_that_it_reads(deploy):
    stack = deploy.synthesized(db_mode="supabase")
    made = {secret["Name"] for secret in stack.all("SecretsManager::Secret")}
    filled = {
        option(words, "--secret-id"): json.loads(option(words, "--secret-string"))
        for words in commands("aws")
        if "put-secret-value" in words
    }
    assert filled.keys() == made
    assert address_problem(filled["hl-monitor/prod/credentials"]["ACCOUNT_ADDRESS"]) is None
    wanted = deploy.plan(db_mode="supabase").resources.secrets["hl-monitor/supabase"]
    assert set(wanted) <= filled["hl-monitor/supabase"].keys()


def test_clusters_services_logs_and_containers_are_named_as_in_the_stack(deploy):
    stack = deploy.synthesized(db_mode="dynamodb")
    (container,) = stack.one("ECS::TaskDefinition")["ContainerDefinitions"]
    known = {
        "--cluster": {stack.one("ECS::Cluster")["ClusterName"]},
        "--service": {stack.one("ECS::Service")["ServiceName"], "$(aws"},
        "--services": {stack.one("ECS::Service")["ServiceName"]},
        "--container": {container["Name"]},
        "tail": {"/ecs/hl-monitor"},
    }
    for words in commands("aws"):
        for name, values in known.items():
            if (given := option(words, name)) is not None:
                assert given in values, words


def test_every_alarm_is_explained(deploy):
    made = {alarm["AlarmName"] for alarm in deploy.synthesized(db_mode="dynamodb").all("CloudWatch::Alarm")}
    assert [name for name in made if f"`{name}`" not in PAGE] == []


def test_the_estimates_of_the_page_can_be_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("hlmon.toml").touch()
    for words in commands("hlmon"):
        result = CliRunner().invoke(program, words[1:])
        assert result.exit_code == 0, result.output
