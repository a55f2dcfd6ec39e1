"""The config of each part: the plugin's own struct, strictly read."""

from __future__ import annotations

import re
from contextlib import nullcontext
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from hlmon import ConfigError, DeriverFactory, NoConfig, NotifierFactory, Settings, SinkFactory, SourceFactory, hookimpl
from hlmon.config import PartTable, load_config
from hlmon.parts import enable, part_config
from hlmon.plugins import load_catalogue
from hlmon.problems import Document


class Retry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    times: int


class ArchiveConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: Path
    minimum: Decimal = Decimal(0)
    format: Literal["short", "long"] = "short"
    headers: dict[str, str] = {}
    retry: Retry | None = None
    retries: tuple[Retry, ...] = ()
    names: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("x",)
    rate: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5
    size: int | str = 1

    def __post_init__(self) -> None:
        if self.format == "long" and not self.headers:
            raise ValueError("the long format needs headers")


class Plugin:
    @hookimpl
    def hlmon_sources(self):
        return [SourceFactory(name="replay", config=NoConfig, open=lambda config, settings: nullcontext())]

    @hookimpl
    def hlmon_derivers(self):
        opening = {"config": NoConfig, "open": lambda config, settings: nullcontext(), "kinds": frozenset({"fill"})}
        return [
            DeriverFactory(name="closes", always=True, **opening),
            DeriverFactory(name="position_closed", **opening),
        ]

    @hookimpl
    def hlmon_sinks(self):
        return [SinkFactory(name="archive", config=ArchiveConfig, open=lambda config, settings: nullcontext(config))]

    @hookimpl
    def hlmon_notifiers(self):
        return [NotifierFactory(name="log", config=NoConfig, open=lambda config, settings: nullcontext())]


class PluginEntry:
    """What `importlib.metadata` gives for an installed plugin."""

    name = "test"
    dist = None

    def load(self):
        return Plugin()


CATALOGUE = load_catalogue([PluginEntry()], disabled=frozenset())


def enabled(text: str):
    return enable(load_config(None, environ={"HLMON_CONFIG_TOML": text}), CATALOGUE)


def problem_of(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        enabled(text)
    return re.sub(r"(?m)^HLMON_CONFIG_TOML:\d+: ", "", str(caught.value))


def test_each_table_becomes_the_struct_of_its_plugin():
    parts = enabled('[sink.a]\ntype = "archive"\npath = "~/x"\nminimum = 0.1\nretry.times = 3\nrate = 1')
    (sink,) = parts.sinks
    assert (sink.name, sink.factory.name) == ("a", "archive")
    assert sink.config == ArchiveConfig(path=Path.home() / "x", minimum=Decimal("0.1"), retry=Retry(3), rate=1.0)
    with sink.open(Settings(name=sink.name)) as opened:
        assert opened is sink.config


def test_what_the_config_does_not_name_is_not_enabled_but_what_is_always_on():
    parts = enabled("")
    assert (parts.sources, parts.sinks, parts.notifiers) == ((), (), ())
    assert [part.name for part in parts.derivers] == ["closes"]


def test_rules_come_after_the_derivers_that_are_always_on_in_the_order_of_the_file():
    text = "".join(f'[rule.{name}]\ntype = "position_closed"\n' for name in ("second", "first"))
    parts = enabled(f'{text}[source.s]\ntype = "replay"\n[notifier.n]\ntype = "log"')
    assert [part.name for part in parts.derivers] == ["closes", "second", "first"]
    assert [part.name for part in (*parts.sources, *parts.notifiers)] == ["s", "n"]


BIG = '[rule.big]\ntype = "position_closed"\n'
ARCHIVE = '[sink.a]\ntype = "archive"\npath = "x"\n'
WRONG = {
    '[sink.a]\ntype = "archive"\npathh = "x"\npath = "x"': "sink.a.pathh: unknown field; did you mean 'path'?",
    '[sink.a]\ntype = "archive"': "sink.a.path: is required",
    f'{ARCHIVE}minimum = "much"': "sink.a.minimum: must be a number",
    f'{ARCHIVE}format = "tall"': "sink.a.format: must be one of 'short', 'long'",
    f'{ARCHIVE}format = "long"': "sink.a: the long format needs headers",
    f"{ARCHIVE}headers.x = 1": "sink.a.headers.x: must be text, not a whole number",
    f"{ARCHIVE}retry.time = 1\nretry.times = 1": "sink.a.retry.time: unknown field; did you mean 'times'?",
    f"{ARCHIVE}retries = [{{times = 1}}, {{}}]": "sink.a.retries[1].times: is required",
    f"{ARCHIVE}retry = 3": "sink.a.retry: must be a table, not a whole number",
    f"{ARCHIVE}names = []": "sink.a.names: must not be empty",
    f"{ARCHIVE}rate = 0": "sink.a.rate: must be more than 0.0",
    f"{ARCHIVE}rate = 2.0": "sink.a.rate: must be at most 1.0",
    f"{ARCHIVE}size = 2024-01-01": "sink.a.size: must be a whole number or text, not a date",
    '[sink.a]\ntype = "archiv"': "sink.a.type: unknown sink 'archiv'; did you mean 'archive'?",
    '[sink.a]\ntype = "dynamodb"': "sink.a.type: type 'dynamodb' needs: pip install hlmon-dynamodb",
    '[notifier.a]\ntype = "discord"': "notifier.a.type: type 'discord' needs: pip install hlmon-notify",
    '[sink.a]\ntype = "log"': "sink.a.type: unknown sink 'log'; it is a notifier",
    '[rule.a]\ntype = "position_close"': "rule.a.type: unknown rule 'position_close'; did you mean 'position_closed'?",
    '[rule.a]\ntype = "closes"': "rule.a.type: 'closes' is always on; it needs no [rule.NAME]",
    f'{BIG}[notifier.n]\ntype = "log"\n[[route]]\nto = ["n"]\nrules = ["bigg", "closes"]': (
        "route[0].rules: unknown rule 'bigg'; did you mean 'big'?"
    ),
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_said_with_its_path(text):
    assert problem_of(text) == WRONG[text]


def test_every_problem_of_every_part_is_named_on_a_line_of_its_own():
    text = f'{ARCHIVE}rate = 2\n[sink.b]\ntype = "archive"\n[notifier.c]\ntype = "lag"'
    assert problem_of(text).splitlines() == [
        "sink.a.rate: must be at most 1.0",
        "sink.b.path: is required",
        "notifier.c.type: unknown notifier 'lag'; did you mean 'log'?",
    ]


def test_one_part_can_be_read_alone():
    factory = CATALOGUE.sink("archive")
    table = PartTable(section="sink", name="a", type="archive", fields={"path": "x"}, document=Document("hlmon.toml"))
    assert part_config(table, factory) == ArchiveConfig(path=Path("x"))
    wrong = PartTable(section="sink", name="a", type="archive", fields={"path": 1}, document=Document("hlmon.toml"))
    with pytest.raises(ConfigError, match=r"^hlmon.toml: sink.a.path: must be a path$"):
        part_config(wrong, factory)
