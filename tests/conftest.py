"""How every test of this project looks for counterexamples."""

from __future__ import annotations

import os

from hypothesis import settings

# The same examples in every run, so that no test fails by chance; `make chaos` looks for new ones.
settings.register_profile("fixed", derandomize=True, print_blob=True)
settings.register_profile("fresh", print_blob=True)
settings.load_profile("fresh" if os.environ.get("HLMON_FRESH_EXAMPLES") else "fixed")
