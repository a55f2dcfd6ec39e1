"""What people read of every type of rule. HLMON_WRITE_GOLDEN=1 writes the files anew."""

from __future__ import annotations

import os
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from hlmon import Alert
from hlmon.testing.builders import ALICE
from hlmon_notify.render import Look
from tests.core.rules.cases import CASES
from tests.core.rules.conftest import Watch
from tests.notify.test_notify_golden import LOOK, NOON_MS, TRANSACTION, discord, email, plain, sns, telegram, webhook

GOLDEN = Path(__file__).with_name("golden") / "rules"
SAME = {"tx_hash": TRANSACTION, "order_id": "7"}
TREASURY = Look(zone=ZoneInfo("Europe/Berlin"), explorer=LOOK.explorer, labels={ALICE: "Treasury"})


def alerts_of(name: str) -> list[Alert]:
    """What the rule says in its case, with the time and the names that differ from run to run made the same."""
    case = CASES[name]
    rule = Watch(name, case.toml, case.settings)
    events = [*case.quiet, *case.firing, *(case.over or ())]
    alerts = rule(*(event for event in events if event.kind in rule.factory.kinds))
    return [
        msgspec.structs.replace(
            alert,
            time_ms=NOON_MS,
            subject=name,
            cause=None,
            labels=alert.labels | {key: text for key, text in SAME.items() if key in alert.labels},
        )
        for alert in alerts
    ]


@pytest.mark.parametrize("form", [discord, telegram, email, sns, webhook, plain], ids=lambda form: form.__name__)
def test_what_every_type_of_rule_says_reads_as_it_was_approved(form):
    text = "".join(
        f"=== {name}, {alert.state} ===\n{form([alert], TREASURY)[1]}\n" for name in CASES for alert in alerts_of(name)
    )
    path = GOLDEN / f"{form.__name__}.txt"
    if os.environ.get("HLMON_WRITE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    assert text == path.read_bytes().decode()
