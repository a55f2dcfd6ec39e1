"""`python -m hlmon_deploy.release ARCH FOLDER`: the folder that the released image is built from, with every plugin."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from hlmon.errors import ConfigError
from hlmon.plugins import load_catalogue
from hlmon_deploy.image import stage_image
from hlmon_deploy.plan import read_plan
from hlmon_deploy.settings import read_settings

PLUGINS: Final = ("hlmon-dynamodb", "hlmon-notify", "hlmon-supabase")


def stage(arch: str, target: Path) -> Path:
    """Fill `target`, which must not exist. Raises ConfigError, e.g. for an architecture that there is none of."""
    context = {"arch": arch, "plugins": ",".join(PLUGINS)}
    plan = read_plan(read_settings(context, Path.cwd()), load_catalogue(), Path.cwd(), {})
    return stage_image(plan.manifest, plan.settings.arch, target, expressions=True)


if __name__ == "__main__":
    try:
        stage(sys.argv[1], Path(sys.argv[2]))
    except ConfigError as error:
        sys.exit(f"hlmon: {error}")
