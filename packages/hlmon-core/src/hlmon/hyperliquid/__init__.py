"""The exchange: its wire format, its limits, and the feed that watches it."""
