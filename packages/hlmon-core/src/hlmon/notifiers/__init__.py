"""Notifiers that come with hlmon; they use the same door as any other plugin's."""
