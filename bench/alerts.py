"""How soon a person is told: from the frame with a closing fill to the request that tells of it.

`python -m bench.alerts CLOSES` runs a real `hlmon run` on an exchange that sends a whole position in each frame, and
prints one JSON object: p50 and p99 for each notifier.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from rich.table import Table

from bench.exchange import Exchange, listen
from bench.frames import HALF, address, fill_frames
from bench.monitor import percentiles
from bench.programs import HLMON, PATIENCE_S, Result, environment, run
from bench.report import Measure
from bench.rounds import Samples, Sizes, Tell
from tests.servers.chat import Discord, Receiver, Request, Service

ACCOUNTS = 5  # in turn: two closes of one account are further apart than alerts that become one message
CLOSES_PER_S = 2.0
WAYS = {
    "discord": "Discord, by the default route",
    "hook": "a webhook, its route without the wait for others of the group",
}
CONFIG = """
alert_max_age_seconds = 1_000_000_000  # the frames are made beforehand
[rule.closes]
type = "position_closed"
[notifier.discord]
type = "discord"
messages_per_minute = 1_000
[notifier.hook]
type = "webhook"
messages_per_minute = 1_000
[[route]]
to = ["discord"]
[[route]]
to = ["hook"]
wait_seconds = 0
"""


def collect(sizes: Sizes, tell: Tell) -> Samples:
    """Run it once for every second round: each takes its time, whatever the machine."""
    samples: Samples = defaultdict(list)
    courses = (sizes.rounds + 1) // 2
    for number in range(courses):
        tell(f"{sizes.closes} closes told, {number + 1} of {courses}")
        samples["alerts"].append(run("alerts", sizes.closes))
    return samples


def measures(samples: Samples) -> Iterator[Measure]:
    """Every measure that has an aim."""
    for way, title, aim, unit, in_ms in (
        ("discord", "p99 from the frame of a close to the request at Discord", 2.0, "s", 1000),
        ("hook", "the same to a webhook whose route does not wait for others of the group", 100.0, "ms", 1),
    ):
        values = [each[f"{way}_p99_ms"] / in_ms for each in samples["alerts"]]
        yield Measure(title=title, values=values, aim=aim, unit=unit, less_is_better=True)


def way_table(samples: Samples) -> Table:
    """How long the alert of a close is on its way."""
    table = Table(title=f"Closes told, {CLOSES_PER_S:g} a second", title_justify="left")
    table.add_column("to")
    for heading in ("p50 ms", "p99 ms", "closes"):
        table.add_column(heading, justify="right")
    for way, title in WAYS.items():
        found = samples["alerts"]
        times = (f"{median(each[f'{way}_{name}_ms'] for each in found):,.0f}" for name in ("p50", "p99"))
        table.add_row(title, *times, f"{found[0]['closes']:,.0f}")
    return table


class Arrivals:
    """When each message came to a service."""

    def __init__(self, service: Service) -> None:
        self.at_s: list[float] = []
        service.trouble = self._note

    def _note(self, request: Request) -> None:
        if request.method == "POST" and request.body:
            self.at_s.append(time.perf_counter())


@asynccontextmanager
async def monitor(folder: Path, url: str, environ: dict[str, str]) -> AsyncIterator[subprocess.Popen[bytes]]:
    """`hlmon run` in this folder."""
    (folder / "hlmon.toml").write_text(CONFIG)
    accounts = [text for number in range(ACCOUNTS) for text in ("--account", address(number))]
    command = [HLMON, "run", *accounts, "--journal", folder / "hlmon.db", "--url", url]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment(environ), stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, PATIENCE_S)  # the exchange answers its farewell


async def course(closes: int) -> Result:
    """Let so many positions be closed; how long each took to be told."""
    exchange = Exchange(fill_frames(closes * 2 * HALF, ACCOUNTS, 2 * HALF), CLOSES_PER_S)
    url = await listen(exchange)
    with Discord() as discord, Receiver() as receiver, TemporaryDirectory() as name:
        arrivals = {"discord": Arrivals(discord), "hook": Arrivals(receiver)}
        environ = {"DISCORD_WEBHOOK_URL": discord.webhook, "WEBHOOK_URL": receiver.hook}
        async with monitor(Path(name), url, environ) as process:
            deadline = time.monotonic() + PATIENCE_S
            while any(len(each.at_s) < closes for each in arrivals.values()):
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError(f"hlmon run did not tell all:\n{(Path(name) / 'log').read_text()[-2000:]}")
                await asyncio.sleep(0.05)
        result: Result = {"closes": closes}
        for way, each in arrivals.items():
            late_s = [at - sent for at, sent in zip(each.at_s, exchange.sent_s, strict=True)]
            result |= {f"{way}_{name}": figure for name, figure in percentiles(late_s).items()}
        return result


def main() -> None:
    print(json.dumps(asyncio.run(course(int(sys.argv[1])))))


if __name__ == "__main__":
    main()
