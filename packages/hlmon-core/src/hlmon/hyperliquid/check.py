"""What `hlmon check --connect` asks of the exchange: whether it answers, who the accounts are, which coins exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from hlmon.errors import HlmonError, Transient
from hlmon.hyperliquid import coins as listed
from hlmon.hyperliquid import requests
from hlmon.hyperliquid.budget import Budget
from hlmon.hyperliquid.decode_role import RoleAnswer, decode_role
from hlmon.hyperliquid.exchange_clock import FIRST_MOMENTS, ExchangeClock
from hlmon.hyperliquid.exchange_status import decode_exchange_status
from hlmon.hyperliquid.info import Info
from hlmon.problems import ConfigProblems, Problem
from hlmon.watchdog.reasons import NOT_WATCHED
from hlmon.watchdog.skew import SET_CLOCK, skew_text

ENOUGH_WEIGHT = 1_000


async def check_connection(url: str, addresses: Iterable[str], coins: Iterable[str] = ()) -> list[str]:
    """Lines for the user.

    Raises ConfigProblems: at the first question that is not answered, or with every account and coin that the exchange
    does not know, at the paths ("account", ADDRESS) and ("hyperliquid", "coins", COIN).
    """

    def give_up(_attempt: int, error: Transient) -> float:
        raise _url_problem(f"no exchange answers at {url}: {error}") from error

    info = Info(url, Budget(ENOUGH_WEIGHT), retry=give_up)
    try:
        lines = [f"the exchange answers at {url}", await _compare_clocks(info)]
        roles = {each: await info.ask(requests.info("userRole", user=each), decode_role) for each in addresses}
        verdicts = await listed.validate(coins, info)
    except ConfigProblems:
        raise
    except HlmonError as error:
        raise _url_problem(f"what answers at {url} is not the exchange: {error}") from error
    problems = [*_missing(roles), *_unknown(verdicts)]
    if problems:
        raise ConfigProblems(problems)
    lines += [f"{address} is {_in_words(answer)}" for address, answer in roles.items()]
    lines += [f"the exchange does not say whether {coin} is traded" for coin, found in verdicts.items() if found == ""]
    return lines


def _url_problem(text: str) -> ConfigProblems:
    return ConfigProblems([Problem(("hyperliquid", "url"), text)])


def _missing(roles: Mapping[str, RoleAnswer]) -> Iterator[Problem]:
    for address, answer in roles.items():
        if answer.role == "missing":
            text = f"the exchange knows no account {address}; {NOT_WATCHED['missing']}"
            yield Problem(("account", address), text)


def _unknown(verdicts: Mapping[str, listed.Verdict]) -> Iterator[Problem]:
    yield from (Problem(("hyperliquid", "coins", coin), found) for coin, found in verdicts.items() if found)


def _in_words(answer: RoleAnswer) -> str:
    return answer.role + (f" of {answer.master}, which is what will be watched" if answer.role == "agent" else "")


async def _compare_clocks(info: Info) -> str:
    clock = ExchangeClock()
    for _ in range(FIRST_MOMENTS):
        clock.hear((await info.ask(requests.info("exchangeStatus"), decode_exchange_status)).time_ms, is_answer=True)
    if not clock.known:
        return "the exchange's own clock cannot be told: its answers do not agree"
    found = skew_text(clock.skew_ms())
    return f"{found}: {SET_CLOCK}" if found else "this machine's clock agrees with the exchange's"
