"""docs/notifiers.md is true: its configs are ones, its fields are all, its pictures and its check are right."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import pytest

from hlmon import Secret
from hlmon.fields import read
from hlmon.secret import decode_field
from hlmon.testing.builders import make_alert
from hlmon_notify.config import LookConfig
from hlmon_notify.plugin import hlmon_notifiers
from hlmon_notify.webhook import FACTORY, WebhookConfig

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/notifiers.md").read_text(encoding="utf-8")
FACTORIES = {factory.name: factory for factory in hlmon_notifiers()}


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_every_config_of_the_page_is_one_and_every_type_has_one():
    found = set()
    for block in blocks("toml"):
        for table in tomllib.loads(block)["notifier"].values():
            factory, problems = FACTORIES[table.pop("type")], []
            assert read(table, factory.config, "notifier", problems, decode_field), problems
            found.add(factory.name)
    assert found == FACTORIES.keys()


@pytest.mark.parametrize("name", FACTORIES)
def test_every_field_is_on_the_page(name):
    heading = {"email": "E-mail", "sns": "Amazon SNS"}.get(name, name.capitalize())
    section = re.search(rf"^## {heading}\n(.*?)^## ", PAGE, re.DOTALL | re.MULTILINE)[1]
    own = set(FACTORIES[name].config.__struct_encode_fields__) - set(LookConfig.__struct_fields__)
    told = {
        field for row in re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE) for field in re.findall(r"`(\w+)`", row)
    }
    assert told == own
    assert f"images/notifier-{name}.svg" in section


def test_the_fields_of_all_are_on_the_page():
    assert all(f"| `{name}` |" in PAGE for name in LookConfig.__struct_fields__)


def test_the_pictures_are_of_the_messages_as_they_are(tmp_path, monkeypatch):
    script = ROOT / "docs/images/notifier_pictures.py"
    drawn = runpy.run_path(str(script))
    drawn["main"].__globals__["HERE"] = tmp_path
    drawn["main"]()
    pictures = {path.name: path.read_text() for path in tmp_path.glob("*.svg")}
    assert pictures.keys() == {f"notifier-{name}.svg" for name in FACTORIES}
    assert pictures == {name: (script.parent / name).read_text() for name in pictures}


def test_the_check_of_the_page_accepts_what_is_sent(receiver, settings):
    scope = {}
    exec(compile(blocks("python")[0], "notifiers.md", "exec"), scope)
    with FACTORY.open(WebhookConfig(secret=Secret("env:WEBHOOK_SECRET")), settings) as notifier:
        notifier.send([make_alert()])
    request = receiver.requests[-1]
    secret = "whsec_aHVzaC1odXNoLWh1c2gtaHVzaC1odXNoLWh1c2g="
    assert scope["is_genuine"](secret, request.headers, request.body)
    assert not scope["is_genuine"](secret, request.headers, request.body + b" ")
