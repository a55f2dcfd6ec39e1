"""Events for tests: every builder returns a plausible event with a name of its own, changed by keyword as needed.

Names differ from call to call (times and ids count upwards), so a test states only what it is about:
`make_fill(coin="ETH", size=Decimal(2))`.
"""

from __future__ import annotations

from hlmon.testing.builders.readings import (
    READING_BUILDERS,
    make_account_state,
    make_agents,
    make_dex_state,
    make_exchange_status,
    make_input_ended,
    make_market_trades,
    make_open_orders,
    make_position_reading,
    make_prices,
    make_pulse,
    make_rebuilt,
    make_spot_state,
    make_twap,
)
from hlmon.testing.builders.stored import (
    ALICE,
    BOB,
    START_MS,
    STORED_BUILDERS,
    make_account_info,
    make_account_snapshot,
    make_alert,
    make_checkpoint,
    make_cvd,
    make_fill,
    make_funding,
    make_gap,
    make_ledger,
    make_order,
    make_position,
    make_position_closed,
    make_quarantined,
)

__all__ = [
    "ALICE",
    "BOB",
    "READING_BUILDERS",
    "START_MS",
    "STORED_BUILDERS",
    "make_account_info",
    "make_account_snapshot",
    "make_account_state",
    "make_agents",
    "make_alert",
    "make_checkpoint",
    "make_cvd",
    "make_dex_state",
    "make_exchange_status",
    "make_fill",
    "make_funding",
    "make_gap",
    "make_input_ended",
    "make_ledger",
    "make_market_trades",
    "make_open_orders",
    "make_order",
    "make_position",
    "make_position_closed",
    "make_position_reading",
    "make_prices",
    "make_pulse",
    "make_quarantined",
    "make_rebuilt",
    "make_spot_state",
    "make_twap",
]
