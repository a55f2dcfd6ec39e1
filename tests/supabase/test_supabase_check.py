"""What is wrong with the project's URL or key by itself is known before anybody is asked, and said without the key."""

from __future__ import annotations

import pytest

from hlmon.secret import Secret
from hlmon_supabase.sink import FACTORY, SupabaseConfig


@pytest.mark.parametrize(
    ("url", "key", "fields"),
    [
        ("https://abcdefgh.supabase.co", "sb_secret_4711", []),
        ("https://supabase.com/dashboard/project/x", "sb_secret_4711", ["url"]),
        ("abcdefgh", "sb_publishable_4711", ["url", "service_key"]),
    ],
)
def test_each_field_that_cannot_be_right_is_named(url, key, fields, monkeypatch):
    monkeypatch.setenv("URL", url)
    monkeypatch.setenv("KEY", key)
    found = FACTORY.check(SupabaseConfig(url=Secret("env:URL"), service_key=Secret("env:KEY")))
    assert list(found) == fields
    assert "4711" not in str(found)
