"""docs/events.md tells every field of every public event with its unit, its meaning and the columns that show it."""

from __future__ import annotations

import runpy
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import msgspec
import pytest

import hlmon
from hlmon.journal import Journal
from hlmon.testing.builders import STORED_BUILDERS
from hlmon.units import Coins, Price, Text, meaning_of, says, unit_of

DOCS = Path(__file__).resolve().parents[1] / "docs"
REFERENCE = runpy.run_path(str(DOCS / "reference_events.py"))
PAGE = (DOCS / "events.md").read_text(encoding="utf-8")
VIEWS = REFERENCE["views"]()
EVENTS = sorted(
    (cls for cls in REFERENCE["PUBLIC"].values() if issubclass(cls, hlmon.Event) and cls.kind),
    key=lambda cls: cls.__name__,
)
DECLARED = [*EVENTS, *REFERENCE["inner_structs"]()]


@pytest.mark.parametrize("cls", DECLARED, ids=lambda cls: cls.__name__)
def test_every_field_says_its_unit_and_its_meaning(cls):
    for field, annotation in REFERENCE["annotations"](cls).items():
        assert unit_of(annotation).name, field
        assert meaning_of(annotation), field


@pytest.mark.parametrize(
    "annotation", [int, Decimal, str, Decimal | None, tuple[str, ...], dict[str, int], Annotated[str, says("a text")]]
)
def test_a_plain_type_says_no_unit(annotation):
    with pytest.raises(TypeError, match="0 units"):
        unit_of(annotation)


def test_a_field_has_one_unit_and_a_meaning():
    with pytest.raises(TypeError, match="2 units"):
        unit_of(Coins | Text)
    with pytest.raises(TypeError, match="what it means"):
        meaning_of(Coins)
    assert unit_of(Annotated[Coins | None, says("how much")]).name == "coins"
    assert unit_of(dict[str, Price]).name == "USD per coin"
    assert meaning_of(Annotated[Coins | None, says("how much")]) == "how much"


def test_every_public_event_and_what_stands_inside_has_a_section():
    sections = {line.removeprefix("### ").split(":")[0] for line in PAGE.splitlines() if line.startswith("### ")}
    assert sections == {cls.__name__ for cls in DECLARED}
    assert {"Liquidation", "PositionReading", "FollowerStatus"} <= sections


@pytest.mark.parametrize("kind", hlmon.STORED)
def test_the_columns_of_a_field_are_in_its_view_and_show_it(kind, tmp_path):
    event = STORED_BUILDERS[kind]()
    view, columns = VIEWS[kind]
    with Journal.open(tmp_path / "hlmon.db") as journal:
        journal.append([event])
        names = [name for (name,) in journal.query(f"SELECT name FROM pragma_table_info('{view}')")]
        (row,) = journal.query(f"SELECT * FROM {view}")
    shown = dict(zip(names, row, strict=True))
    assert columns.keys() == set(event.__struct_fields__)
    for field, shows in columns.items():
        assert set(shows) <= shown.keys(), field
        value = getattr(event, field)
        if isinstance(value, Decimal | int | str):
            assert str(
                float(value) if isinstance(value, Decimal) else int(value) if isinstance(value, bool) else value
            ) in {str(shown[name]) for name in shows}, field


def test_what_json_leaves_out_has_its_default_in_the_table():
    row = next(line for line in PAGE.splitlines() if line.startswith("| `fee_token` | str |"))
    assert "| `USDC` | token |" in row
    assert msgspec.json.decode(hlmon.encode(STORED_BUILDERS["fill"]())).keys().isdisjoint({"fee_token", "cloid"})
