"""What `hlmon check --connect` asks of the exchange: whether it answers, and who the accounts are."""

from __future__ import annotations

from collections.abc import Iterable

from hlmon.errors import ConfigError, HlmonError, Transient
from hlmon.hyperliquid import requests
from hlmon.hyperliquid.budget import Budget
from hlmon.hyperliquid.decode_role import decode_role
from hlmon.hyperliquid.exchange_clock import FIRST_MOMENTS, ExchangeClock
from hlmon.hyperliquid.exchange_status import decode_exchange_status
from hlmon.hyperliquid.info import Info
from hlmon.watchdog.skew import SET_CLOCK, skew_text

ENOUGH_WEIGHT = 1_000


async def check_connection(url: str, addresses: Iterable[str]) -> list[str]:
    """Lines for the user. Raises ConfigError at the first question that is not answered."""

    def give_up(_attempt: int, error: Transient) -> float:
        raise ConfigError(f"hyperliquid.url: no exchange answers at {url}: {error}") from error

    info = Info(url, Budget(ENOUGH_WEIGHT), retry=give_up)
    try:
        lines = [f"the exchange answers at {url}", await _compare_clocks(info)]
        for address in addresses:
            answer = await info.ask(requests.info("userRole", user=address), decode_role)
            master = f" of {answer.master}, which is what will be watched" if answer.role == "agent" else ""
            lines.append(f"{address} is {answer.role}{master}")
    except ConfigError:
        raise
    except HlmonError as error:
        raise ConfigError(f"hyperliquid.url: what answers at {url} is not the exchange: {error}") from error
    return lines


async def _compare_clocks(info: Info) -> str:
    clock = ExchangeClock()
    for _ in range(FIRST_MOMENTS):
        clock.hear((await info.ask(requests.info("exchangeStatus"), decode_exchange_status)).time_ms, is_answer=True)
    if not clock.known:
        return "the exchange's own clock cannot be told: its answers do not agree"
    found = skew_text(clock.skew_ms())
    return f"{found}: {SET_CLOCK}" if found else "this machine's clock agrees with the exchange's"
