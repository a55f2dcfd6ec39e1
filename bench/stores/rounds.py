"""What is run against each store: the contestants in turn, then monitors that come back to an hour's backlog."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.programs import HLMON, Result, environment, monitor, run
from bench.rounds import Samples, Sizes, Tell
from bench.stores.events import ACCOUNTS, hour
from hlmon.journal import Journal
from tests.servers.dynamodb import ministack
from tests.servers.process import Unavailable
from tests.servers.supabase import postgres, supabase_lite

CONTESTANTS = ("bare", "hlmon")
AWS = {
    "AWS_ACCESS_KEY_ID": "AKIABENCH",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}


@dataclass(frozen=True)
class Store:
    """A running server; `environ` is where its clients find it."""

    name: str
    environ: Mapping[str, str]
    rows: Mapping[str, int]  # kind -> how many each contestant writes


def collect(sizes: Sizes, tell: Tell) -> Samples:
    """Run everything; a store whose server cannot be had here is left out."""
    samples: Samples = defaultdict(list)
    with ExitStack() as stack:
        tell("the stores' servers")
        stores = [stack.enter_context(dynamodb(sizes))]
        with suppress(Unavailable):
            stores.append(stack.enter_context(supabase(sizes)))
        accounts = count(ACCOUNTS, ACCOUNTS)  # each run has its own, so that none finds its rows there
        for number in range(sizes.rounds):
            for store in stores:
                tell(f"round {number + 1} of {sizes.rounds}: {store.name}")
                for kind, rows in store.rows.items():
                    for name in CONTESTANTS[:: -1 if number % 2 else 1]:
                        samples[f"{store.name} {kind} {name}"].append(race(store, name, kind, rows, next(accounts)))
        outages = (sizes.rounds + 1) // 2
        for number in range(outages):
            for store in stores:
                tell(f"an hour's backlog, {number + 1} of {outages}: {store.name}")
                samples[f"{store.name} outage"].append(outage(store, next(accounts)))
    return samples


def race(store: Store, name: str, kind: str, rows: int, account: int) -> Result:
    """Let one contestant write the rows of an account of its own."""
    return run("stores.race", name, store.name, kind, rows, account, environ=store.environ)


def outage(store: Store, first_account: int) -> Result:
    """A monitor is started on a journal with an hour that the store has not seen."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        with Journal.open(folder / "hlmon.db") as journal:
            journal.append(hour(first_account))
            last_seq = journal.last_seq()
        config = f'[sink.{store.name}]\ntype = "{store.name}"\n'
        with monitor(folder, config=config, environ=store.environ) as running:
            seconds = running.wait_for_cursor(f"sink.{store.name}", last_seq)
            return {"rows": last_seq, "seconds": seconds, "peak_mb": running.memory_mb("VmHWM")}


@contextmanager
def dynamodb(sizes: Sizes) -> Iterator[Store]:
    """ministack with hlmon's tables."""
    with TemporaryDirectory() as folder, ministack(Path(folder)) as url:
        environ = AWS | {"AWS_ENDPOINT_URL": url}
        command = [HLMON, "dynamodb", "create-tables"]
        subprocess.run(command, env=environment(environ), check=True, capture_output=True)
        yield Store("dynamodb", environ, {"fill": sizes.dynamodb_fills, "order": sizes.dynamodb_orders})


@contextmanager
def supabase(sizes: Sizes) -> Iterator[Store]:
    """Supabase's own server on PostgreSQL, with hlmon's schema."""
    with postgres() as server, supabase_lite(server) as project:
        environ = {"SUPABASE_URL": project.url, "SUPABASE_SERVICE_KEY": project.service_key}
        yield Store("supabase", environ, {"fill": sizes.supabase_rows, "order": sizes.supabase_rows})
