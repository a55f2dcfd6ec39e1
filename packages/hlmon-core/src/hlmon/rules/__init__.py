"""Alert rules: what of the events is addressed to a person. Every type of `[rule.NAME]` that comes with hlmon.

A type is a config, which also says how it speaks, and a measure, which finds it in events; the engine does the rest.
"""
