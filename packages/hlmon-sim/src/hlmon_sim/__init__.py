"""A simulator of the Hyperliquid exchange."""
