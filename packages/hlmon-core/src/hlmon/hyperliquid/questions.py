"""What the feed asks over REST beside history: who the accounts are, which coins exist, what tokens are worth."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from hlmon.errors import Permanent, WireError
from hlmon.events import Prices
from hlmon.hyperliquid import coins, requests
from hlmon.hyperliquid.account import DAY_MS, Account
from hlmon.hyperliquid.account_mode import unknown_word
from hlmon.hyperliquid.clock import Clock
from hlmon.hyperliquid.decode import decode_answer
from hlmon.hyperliquid.decode_market import SpotPair, decode_mids, decode_spot_meta, token_prices
from hlmon.hyperliquid.decode_role import decode_account_mode, decode_mode_word, decode_role
from hlmon.hyperliquid.info import Info
from hlmon.hyperliquid.reading import Surroundings
from hlmon.hyperliquid.watch import Watch

HOUR_SECONDS = 3600.0
COINS_SECONDS = 30.0  # until coins are tried that the exchange did not confirm
REFUSED_SECONDS = 300.0  # until a refused question is asked again
LOOK_SECONDS = 1.0
AGENTS_PAUSE_SECONDS = 10.0
AGENTS_SECONDS = 6 * HOUR_SECONDS  # of weight 20 for each account; they last for months

_log = logging.getLogger(__name__)


class Questions:
    """Asks for as long as the feed runs. `announce` is told who changed, `adopt` watches a further address."""

    def __init__(
        self,
        watch: Watch,
        info: Info,
        price_ms: int,
        *,
        clock: Clock,
        announce: Callable[[Account], None],
        adopt: Callable[[str, str], Account],
    ) -> None:
        self._watch = watch
        self._info = info
        self._price_seconds = price_ms / 1000
        self._clock = clock
        self._announce = announce
        self._adopt = adopt

    async def introduce(self) -> None:
        """Ask once who everybody is."""
        await asyncio.gather(*(self._introduce(account) for account in list(self._watch.accounts.values())))

    async def refresh(self) -> None:
        """Every hour: each account's mode, and whether a missing address has appeared; sooner what was refused."""
        while True:
            is_refused = any(account.role == "unknown" for account in self._watch.accounts.values())
            await self._clock.sleep(REFUSED_SECONDS if is_refused else HOUR_SECONDS)
            for account in list(self._watch.accounts.values()):
                await self._introduce(account)

    async def settle_modes(self) -> None:
        """Ask within a second about each account whose mode is not known or in doubt, every 10 s at most."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._clock.sleep(LOOK_SECONDS)
                for account in list(self._watch.accounts.values()):
                    if account.watchable and account.modes.is_due(self._clock.now()):
                        tasks.create_task(self._settle(account))

    async def ask_agents(self, around: Surroundings) -> None:
        """The API wallets of each account, soon and every few hours."""
        while True:
            await self._clock.sleep(AGENTS_PAUSE_SECONDS)  # what is needed to watch at all is asked for first
            watched = [account for account in self._watch.accounts.values() if account.watchable]
            asking = asyncio.gather(*(self._ask_agents(account, around) for account in watched))
            try:
                if await self._clock.within(HOUR_SECONDS, asking):  # one that is never answered costs no other round
                    asking.result()
            finally:
                asking.add_done_callback(_look_at)
                asking.cancel()
            await self._clock.sleep(AGENTS_SECONDS)

    async def validate_coins(self) -> None:
        """Let those coins be subscribed that exist; all of them, with caution, while the exchange does not say so."""
        markets = self._watch.markets
        validated = asyncio.ensure_future(coins.validate(markets.coins, self._info))
        try:
            if not await self._clock.within(COINS_SECONDS, validated):
                markets.judge(dict.fromkeys(markets.coins, coins.NOT_VERIFIED))
            markets.judge(await validated)
        finally:
            validated.cancel()
        for coin in markets.coins.values():
            if coin.problem:
                _log.error("%s", coin.problem)
        while unknown := [coin.name for coin in markets.coins.values() if coin.problem and not coin.valid]:
            await self._clock.sleep(REFUSED_SECONDS)  # one odd list of them must not be the last word
            markets.judge(await coins.validate(unknown, self._info))

    async def price(self, around: Surroundings) -> None:
        """Prices of spot tokens, every snapshot interval, while any account holds some; their list every hour."""
        pairs: tuple[SpotPair, ...] | None = None
        pairs_until = 0.0
        while True:
            await self._clock.sleep(self._price_seconds if pairs else 1.0)
            accounts = list(self._watch.accounts.values())
            if not any(account.holds_tokens for account in accounts):
                continue
            try:
                if pairs is None or self._clock.now() >= pairs_until:
                    pairs = await self._info.ask(requests.info("spotMeta"), decode_spot_meta)
                    pairs_until = self._clock.now() + HOUR_SECONDS
                    tokens = {pair.coin: (pair.base, pair.quote) for pair in pairs if pair.base and pair.quote}
                prices = token_prices(pairs, await self._info.ask(requests.info("allMids"), decode_mids))
            except Permanent as error:
                _log.warning("the prices of spot tokens are not known: %s", error)
                await self._clock.sleep(self._price_seconds)
            else:
                for account in accounts:
                    account.reconciler.sums.pairs = tokens
                around.ingest([Prices(time_ms=around.exchange_ms(), prices=prices)])

    async def _ask_agents(self, account: Account, around: Surroundings) -> None:
        request = requests.info("extraAgents", user=account.address)
        try:
            answer = await self._info.ask(request)
            if answer is None:  # an account without any, or an answer that was lost: believed the second time
                await self._clock.sleep(AGENTS_PAUSE_SECONDS)
                answer = await self._info.ask(request)
            found = decode_answer("extraAgents", account.address, answer, clock_ms=around.exchange_ms())
        except (Permanent, WireError) as error:
            _log.warning("the API wallets of %s are not known: %s", account.address, error)
            return
        around.ingest([*found.events, *found.unread])

    async def _introduce(self, account: Account) -> None:
        account.modes.asked(self._clock.now())
        try:
            # A role that is known from the future is as old as it is ahead: this machine's clock was set meanwhile.
            if abs(self._clock.wall_ms() - account.role_known_ms) > DAY_MS:
                answer = await self._info.ask(requests.info("userRole", user=account.address), decode_role)
                account.role, account.master = answer.role, answer.master
                account.role_known_ms = self._clock.wall_ms() if account.role != "missing" else 0
            await self._judge(account)
        except Permanent as error:
            _log.warning("what %s is could not be asked: %s", account.address, error)
        self._announce(account)

    async def _judge(self, account: Account) -> None:
        account.warning = ""
        if account.role == "missing":
            account.warning = f"the exchange knows no account {account.address}"
            _log.error("%s; nothing of it can be watched", account.warning)
        elif account.role == "agent":
            account.warning = f"an agent (API wallet) of {account.master}: its master is watched instead"
            _log.warning("%s is %s", account.address, account.warning)
            if account.master not in self._watch.accounts:
                await self._introduce(self._adopt(account.master, account.label))
        elif not account.modes.asking:
            await self._ask_mode(account)

    async def _settle(self, account: Account) -> None:
        try:
            await self._ask_mode(account)
        except Permanent as error:
            _log.warning("the account mode of %s could not be asked: %s", account.address, error)
        self._announce(account)

    async def _ask_mode(self, account: Account) -> None:
        modes = account.modes
        modes.asked(self._clock.now())
        modes.asking = True
        try:
            word = await self._info.ask(requests.info("userAbstraction", user=account.address), decode_mode_word)
        finally:
            modes.asking = False
        mode = decode_account_mode(word)
        if mode == "unknown" and modes.word != word:
            _log.error("%s: %s", account.address, unknown_word(word))
        modes.answered(mode, word, self._clock.now())


def _look_at(asked: asyncio.Future[list[None]]) -> None:
    """Else asyncio logs an error that nobody can do anything about: what was asked ends with whoever asked it."""
    if not asked.cancelled():
        asked.exception()
