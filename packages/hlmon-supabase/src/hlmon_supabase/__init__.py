"""A sink of hlmon: every event as a row in Supabase."""

from __future__ import annotations

from hlmon_supabase.sink import FACTORY, SupabaseConfig

__all__ = ["FACTORY", "SupabaseConfig"]
