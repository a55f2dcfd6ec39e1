"""`hlmon` with arguments, within the process of the test."""

from __future__ import annotations

from click.testing import CliRunner, Result

from hlmon.cli import program


def run(*arguments: str) -> Result:
    return CliRunner().invoke(program, arguments, prog_name="hlmon")
