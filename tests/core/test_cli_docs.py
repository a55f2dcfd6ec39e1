"""docs/commands.md explains what the program's help does not; tests/test_reference.py holds the help to the program."""

from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "commands.md"


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 130, 141])
def test_the_page_explains_every_exit_code(code: int):
    assert f"\n| {code} | " in PAGE.read_text(encoding="utf-8")
