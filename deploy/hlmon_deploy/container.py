"""The first program of the container: takes the secrets apart, then becomes `hlmon run`. Standard library only.

Until every secret is filled it waits and says for what, so that a first deployment succeeds with empty secrets.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

UNSET: Final = "unset"
"""What a secret holds before somebody fills it."""

REPEAT_SECONDS: Final = 600
WAITING: Final = Path("/tmp/waiting")  # noqa: S108  # a volume of this container alone
_OWN: Final = "HLMON_SECRET_"
WANTED: Final = "HLMON_WANTED_SECRETS"
ACCOUNTS: Final = "ACCOUNT_ADDRESS"


def variable_of(secret: str) -> str:
    """The environment variable in which the whole secret comes."""
    return _OWN + "".join(each if each.isalnum() else "_" for each in secret).upper()


def unpacked(environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The environment of the monitor, and a line for each value that is not there yet.

    HLMON_WANTED_SECRETS is JSON: secret -> the names that are read from it. The JSON of the secret itself is in a
    variable of its own, which the monitor does not get to see; nor does it see what nobody asked for.
    """
    found = {name: text for name, text in environ.items() if not name.startswith(_OWN) and name != WANTED}
    missing = []
    for secret, names in json.loads(environ.get(WANTED, "{}")).items():
        values = _values(environ.get(variable_of(secret), ""))
        if values is None:
            missing.append(f"the secret {secret} must be a JSON object of names and values")
            continue
        for name in names:
            if values.get(name, UNSET) in {"", UNSET}:
                missing.append(f"{name} in the secret {secret}")
            else:
                found[name] = values[name]
    if found.get(ACCOUNTS, "").strip() in {"", UNSET}:
        found.pop(ACCOUNTS, None)
        missing.append(f"{ACCOUNTS} in the secret hl-monitor/prod/credentials")
    return found, missing


def accounts_of(text: str, shard: str) -> list[str]:
    """The addresses of one shard, `2/3` being the second of three: every third, so that a new one moves no other."""
    number, _, total = shard.partition("/")
    addresses = list(dict.fromkeys(text.lower().replace(",", " ").split()))
    return addresses[int(number) - 1 :: int(total)]


def command_of(environ: Mapping[str, str]) -> list[str]:
    """The command line of the monitor; without an account in this shard there is none."""
    addresses = accounts_of(environ[ACCOUNTS], environ.get("HLMON_SHARD", "1/1"))
    options = [word for address in addresses for word in ("--account", address)]
    command = ["hlmon", "run", "--wait-for-accounts", "--journal", environ["HLMON_JOURNAL"], *options]
    return command if addresses else []


def wait(reasons: Sequence[str]) -> None:
    """Say what is missing, again and again, until SIGTERM; healthy meanwhile, since a restart would change nothing."""
    WAITING.touch()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        for reason in reasons:
            _say(f"waiting for {reason}; then force a new deployment of the service")
        time.sleep(REPEAT_SECONDS)


def main() -> None:
    """Become the monitor, or wait."""
    environ, missing = unpacked(os.environ)
    command = [] if missing else command_of(environ)
    if not command:
        wait(missing or [f"an account for shard {environ.get('HLMON_SHARD')}: there are fewer accounts than shards"])
    os.execvpe(command[0], command, environ)  # noqa: S606  # no shell is wanted


def _values(text: str) -> dict[str, str] | None:
    """The names and values of a secret, None if it is something else."""
    try:
        values = json.loads(text or "{}")
    except ValueError:
        return None
    return {str(name): str(value) for name, value in values.items()} if isinstance(values, dict) else None


def _say(message: str) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = {"time": now, "level": "warning", "logger": "hlmon.container", "message": message}
    print(json.dumps(line), file=sys.stderr, flush=True)  # noqa: T201  # the log of a container


if __name__ == "__main__":
    main()
