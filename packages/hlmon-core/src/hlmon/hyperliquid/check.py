"""What `hlmon check --connect` asks of the exchange: whether it answers, and who the accounts are."""

from __future__ import annotations

from collections.abc import Iterable

from hlmon.errors import ConfigError, HlmonError, Transient
from hlmon.hyperliquid import requests
from hlmon.hyperliquid.budget import Budget
from hlmon.hyperliquid.decode_role import decode_role
from hlmon.hyperliquid.info import Info

ENOUGH_WEIGHT = 1_000


async def check_connection(url: str, addresses: Iterable[str]) -> list[str]:
    """Lines for the user. Raises ConfigError at the first question that is not answered."""

    def give_up(_attempt: int, error: Transient) -> float:
        raise ConfigError(f"hyperliquid.url: no exchange answers at {url}: {error}") from error

    info = Info(url, Budget(ENOUGH_WEIGHT), retry=give_up)
    try:
        await info.ask(requests.info("exchangeStatus"))
        lines = [f"the exchange answers at {url}"]
        for address in addresses:
            answer = await info.ask(requests.info("userRole", user=address), decode_role)
            master = f" of {answer.master}, which is what will be watched" if answer.role == "agent" else ""
            lines.append(f"{address} is {answer.role}{master}")
    except ConfigError:
        raise
    except HlmonError as error:
        raise ConfigError(f"hyperliquid.url: what answers at {url} is not the exchange: {error}") from error
    return lines
