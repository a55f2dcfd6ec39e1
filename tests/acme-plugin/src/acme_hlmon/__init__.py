"""A plugin that nobody at hlmon knows of: it stands for those of third parties, and uses the public names only."""
