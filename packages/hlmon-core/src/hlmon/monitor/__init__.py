"""The life of components: each on a thread of its own, opened and called with patience, ended in time."""

from __future__ import annotations
