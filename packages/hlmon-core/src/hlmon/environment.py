"""The environment of this process; no other module reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

ENVIRON: Final[Mapping[str, str]] = os.environ
