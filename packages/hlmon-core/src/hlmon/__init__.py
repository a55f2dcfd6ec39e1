"""hlmon watches Hyperliquid accounts; these are the public names for plugin authors."""
