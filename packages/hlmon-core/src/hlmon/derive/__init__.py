"""Derivers: what follows from an event. Pure, with a memory that stored events can rebuild."""
