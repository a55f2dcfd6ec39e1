"""In which line each key of a TOML text stands: never another one than where it was written."""

from __future__ import annotations

import json
import random
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hlmon.toml_lines import lines_of

ODD_KEYS = ["", " ", "a.b", "#", "=", "[x]", "'", '"', "\\", "é", "\t", "]]"]
SCALARS = [
    "1",
    "-0.5e3",
    "true",
    "1979-05-27 07:32:00Z",
    "07:32:00",
    '""',
    "''",
    '"# [no] = \\" \\\\"',
    "'# [no] = \\'",
    '""""""',
    "''''''",
    '"""\n[no]\nno = 1 # \\""" \\\n  ""\n"""""',
    "'''\n[[no]]\n\\\n''no''\n'''''",
    '""""two quotes""at the end"""""',
]


class Writer:
    """A document in all the ways of writing one, and the line of everything in it."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.text = ""
        self.lines: dict[tuple[str | int, ...], int] = {}
        self._count = 0

    def write_document(self) -> None:
        self.pairs(())
        for _ in range(self.chance.randrange(5)):
            self.blank()
            self.chance.choice([self.table, self.array_of_tables, self.parent_after_child])()

    def table(self) -> None:
        path = (self.name(), *self.further_names())
        self.header(path, path)
        self.pairs(path)

    def parent_after_child(self) -> None:
        parent, child = self.name(), self.name()
        self.header((parent, child), (parent, child))
        self.pairs((parent, child))
        self.header((parent,), (parent,), again=True)
        self.pairs((parent,))

    def array_of_tables(self) -> None:
        path = (*self.further_names(), self.name())
        for position in range(self.chance.randrange(1, 4)):
            self.header(path, (*path, position), brackets=2)
            self.pairs((*path, position))
            for _ in range(self.chance.randrange(2)):
                below = self.name()
                self.header((*path, below), (*path, position, below))
                self.pairs((*path, position, below))

    def header(self, keys, path, *, brackets=1, again=False) -> None:
        self.write(self.space())
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], self.line)
        if again:
            self.lines[path] = self.line
        self.write("[" * brackets + self.dotted(keys) + "]" * brackets)
        self.end()

    def pairs(self, path) -> None:
        for _ in range(self.chance.randrange(4)):
            self.blank()
            self.write(self.space())
            self.pair(path, 0)
            self.end()

    def pair(self, path, depth: int) -> None:
        keys = (self.name(), *self.further_names())
        for length in range(1, len(keys) + 1):
            self.lines[*path, *keys[:length]] = self.line
        self.write(self.dotted(keys) + "=" + self.space())
        self.value((*path, *keys), depth)

    def value(self, path, depth: int) -> None:
        kind = self.chance.randrange(4) if depth < 3 else 0
        if kind == 2:
            self.array(path, depth + 1)
        elif kind == 3:
            self.inline_table(path, depth + 1)
        else:
            self.write(self.chance.choice(SCALARS))

    def array(self, path, depth: int) -> None:
        self.write("[")
        self.gap()
        count = self.chance.randrange(4)
        for position in range(count):
            self.lines[*path, position] = self.line
            self.value((*path, position), depth)
            self.gap()
            if position < count - 1 or self.chance.random() < 0.5:
                self.write(",")
                self.gap()
        self.write("]")

    def inline_table(self, path, depth: int) -> None:
        self.write("{")
        for position in range(self.chance.randrange(3)):
            self.write(("," if position else "") + self.space())
            self.pair(path, depth)
            self.write(self.space())
        self.write("}")

    def name(self) -> str:
        self._count += 1
        return f"{self.chance.choice(['k', 'K-', '_', *ODD_KEYS])}{self._count}"

    def further_names(self) -> tuple[str, ...]:
        return tuple(self.name() for _ in range(self.chance.choice([0, 0, 0, 1, 2])))

    def dotted(self, keys) -> str:
        return ".".join(self.space() + self.spelt(key) + self.space() for key in keys)

    def spelt(self, key: str) -> str:
        ways = [json.dumps(key)]
        if key.isascii() and key.replace("-", "").replace("_", "").isalnum():
            ways.append(key)
        if "'" not in key:
            ways.append(f"'{key}'")
        return self.chance.choice(ways)

    def gap(self) -> None:
        self.write(self.chance.choice(["", " ", "\n", " # ], [no] \n", "\n\t\n"]))

    def blank(self) -> None:
        self.write(self.chance.choice(["", "", "\n", "# [no]\n", "  # no = '''\n"]))

    def end(self) -> None:
        self.write(self.chance.choice(["", " ", " # no = 1", "#"]) + "\n")

    def space(self) -> str:
        return self.chance.choice(["", "", " ", "\t "])

    def write(self, text: str) -> None:
        self.text += text

    @property
    def line(self) -> int:
        return self.text.count("\n") + 1


def paths_of(value, path=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths_of(item, (*path, key))


@settings(max_examples=400, deadline=None)
@given(seed=st.integers(0, 2**64), line_end=st.sampled_from(["\n", "\r\n"]), last=st.booleans())
def test_every_key_table_and_element_has_the_line_in_which_it_was_written(seed, line_end, last):
    writer = Writer(random.Random(seed))
    writer.write_document()
    text = writer.text.replace("\n", line_end)
    text = text if last else text.removesuffix(line_end)
    assert set(paths_of(tomllib.loads(text))) == writer.lines.keys(), text
    assert lines_of(text) == writer.lines, text


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("[[account]]\nx = 1\n[[account]]\n\nx = 2\n", ("account", 1), 3),
        ("[[account]]\nx = 1\n[[account]]\n\nx = 2\n", ("account", 1, "x"), 5),
        ("a.b = 1\n\na.c = 2\n", ("a", "c"), 3),
        ("[a.b]\n[a]\nc = 1", ("a",), 2),
        ('a = """\nb = 1\n"""\nb = 2', ("b",), 4),
        ("a = [\n  1, # one\n  2,\n]", ("a", 1), 3),
        ("", (), None),
    ],
)
def test_a_key_has_its_line(text, path, line):
    assert lines_of(text).get(path) == line
