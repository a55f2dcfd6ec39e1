"""`hlmon supabase sql` keeps the contract of commands: it asks nobody, and its output is what is pasted."""

from __future__ import annotations

from hlmon.testing import CommandContract
from hlmon_supabase.command import supabase


class TestSql(CommandContract):
    def command(self):
        return supabase

    def arguments(self):
        return ["sql"]
