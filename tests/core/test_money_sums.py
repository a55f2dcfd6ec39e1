"""Money adds up to the last digit: what is lost shows within moments, and nothing shows where nothing is lost."""

import json
import random
from collections import Counter
from decimal import Decimal
from itertools import pairwise

import pytest

from hlmon.events import AccountState, Balance, Fill, Funding, Ledger, SpotState
from hlmon.hyperliquid.decode import decode_answer, decode_frame
from hlmon.hyperliquid.decode_market import decode_spot_meta
from hlmon.hyperliquid.money_changes import changes_of
from hlmon.hyperliquid.money_sums import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, PATIENCE_SECONDS, Sums
from hlmon.testing.builders import (
    START_MS,
    make_account_state,
    make_dex_state,
    make_fill,
    make_funding,
    make_ledger,
    make_position_reading,
    make_spot_state,
)
from hlmon_sim import World, feeds, listing, state
from hlmon_sim.scenario import populate
from hlmon_sim.traffic import Traffic
from tests.servers import recorded

SEEDS = [1, 2, 849_386, *(random.randrange(10**6) for _ in range(2))]
STEP_MS, STEPS, STATE_STEPS = 250, 700, 20
STREAMS = {"userFills", "userTwapSliceFills", "userFundings", "userNonFundingLedgerUpdates"}
MODES = {"default": "classic", "unifiedAccount": "unified"}


class Trading:
    """Simulated accounts that trade: `mail` is what the streams of one of them deliver, and when (in steps)."""

    def __init__(self, seed, mode):
        self.chance = random.Random(seed)
        self.mail = []
        world = World(seed)
        populate(world, 3)
        self.account = world.add_account(usdc=100_000, mode=mode)
        self.pairs = {pair.coin: (pair.base, pair.quote) for pair in decode_spot_meta(listing.spot_meta(world.market))}
        world.set_speed(600)
        world.listeners.append(self._deliver)
        traffic = Traffic(world, seed, rate=20, trades_rate=0)
        for self.step in range(STEPS):
            traffic.step(world.now_ms + STEP_MS)
            if self.step % STATE_STEPS == 0:
                self._show(world)

    def changes_of(self, event):
        changes = changes_of(event, shared=self.account.unified, pairs=self.pairs)
        return [(pocket, amount) for pocket, amount in changes if amount]

    def _deliver(self, records):
        wanted = lambda subject: subject[0] in STREAMS and subject[1] == self.account.address  # noqa: E731
        for _, message in feeds.happenings(records, wanted):
            events = decode_frame(json.dumps(message), clock_ms=records[0].time_ms).events
            self.mail.append((self.step + self.chance.randint(0, 8), list(events)))

    def _show(self, world):
        user, now_ms = self.account.address, world.now_ms
        for kind, data in (
            ("allDexsClearinghouseState", {"clearinghouseStates": state.all_dexes(self.account, world.market, now_ms)}),
            ("spotState", {"spotState": state.spot(self.account, world.market)}),
        ):
            frame = decode_frame(json.dumps(feeds.frame(kind, {"user": user} | data)), clock_ms=now_ms)
            self.mail.append((self.step + self.chance.randint(0, 4), list(frame.events)))


def live(trading, mode, lost=None):
    """Every doubt, with the step at which it came, while one event is lost; what is asked for is read at once."""
    sums, doubts = Sums(), []
    sums.pairs = trading.pairs
    sums.use(mode)
    mail = sorted(trading.mail, key=lambda each: each[0])
    for step in range(STEPS + 20):
        now = step * STEP_MS / 1000
        while mail and mail[0][0] <= step:
            events = [event for event in mail.pop(0)[1] if event is not lost]
            if events and isinstance(events[0], AccountState | SpotState):
                sums.compare(events[0], now)
            else:
                sums.take(events)
        if step % 4 == 0 and (since_ms := sums.doubt(now)) is not None:
            doubts.append((step, since_ms))
            if lost is not None:
                sums.take([lost])
            sums.read_again(now)
    return doubts


@pytest.fixture(scope="module", params=[(seed, mode) for seed in SEEDS for mode in MODES], ids=str)
def trading(request):
    seed, mode = request.param
    return Trading(seed, mode), MODES[mode]


def test_what_the_simulated_exchange_shows_is_what_its_events_add_up_to(trading):
    assert live(*trading) == []


def test_any_event_that_is_lost_is_a_doubt_within_moments_and_explains_it_when_it_is_read(trading):
    told, mode = trading
    found = [(step, event) for step, events in told.mail for event in events]
    amounts = Counter(abs(amount) for _, event in found for _, amount in told.changes_of(event))
    moving = [
        (step, event)
        for step, event in found
        if isinstance(event, Fill | Funding | Ledger)
        and 40 < step < STEPS - 100
        and any(told.changes_of(event))
        and all(abs(amount) > Decimal("0.001") and amounts[abs(amount)] == 1 for _, amount in told.changes_of(event))
    ]  # of two equal ones nobody can say which is lost
    kinds = [[each for each in moving if isinstance(each[1], kind)] for kind in (Fill, Funding, Ledger)]
    for some in kinds:
        for step, lost in told.chance.sample(some, min(3, len(some))):
            doubts = live(told, mode, lost)
            assert len(doubts) == 1, lost
            assert (doubts[0][0] - step) * STEP_MS / 1000 < PATIENCE_SECONDS + 10, lost
            assert doubts[0][1] < lost.time_ms


# by hand


def cash(amount, seconds, **changes):
    """A short of 2 at a mark that moves, beside so much cash."""
    mark = 100 + seconds
    position = make_position_reading(size=Decimal(-2), position_value=Decimal(2 * mark))
    value = Decimal(amount) - 2 * mark
    dexes = (make_dex_state(positions=(position,), account_value=value, **changes),)
    return make_account_state(time_ms=START_MS + 1000 * seconds, dexes=dexes)


def tokens(seconds, **totals):
    balances = tuple(Balance(coin=coin, total=Decimal(total)) for coin, total in totals.items())
    return make_spot_state(time_ms=START_MS + 1000 * seconds, balances=balances)


def classic(*states):
    sums = Sums()
    sums.use("classic")
    for seconds, shown in states:
        sums.compare(shown, seconds)
    return sums


def test_marks_that_move_are_no_doubt():
    sums = classic(*((seconds, cash(1_000, seconds)) for seconds in (0, 5, 10, 15, 30)))
    assert sums.doubt(60) is None


def test_cash_that_moves_without_an_event_is_a_doubt_and_a_problem_since_before_the_last_agreement():
    sums = classic((0, cash(1_000, 0)), (5, cash(1_000, 5)), (10, cash(8_000, 10)))
    assert (sums.doubt(10), sums.standing(10)) == (None, [])
    assert sums.standing(10 + PATIENCE_SECONDS) == ["its cash on the main dex"]
    assert START_MS - 10_000 <= sums.doubt(10 + PATIENCE_SECONDS) <= START_MS + 5_000


def test_what_a_second_reading_does_not_explain_is_accepted_and_asked_about_ever_more_rarely():
    sums, asked = classic((0, cash(1_000, 0))), []
    for seconds in range(1, 20_000):
        if seconds % 5 == 0:
            sums.compare(cash(1_000 + seconds, seconds), seconds)
        if sums.doubt(seconds) is not None:
            asked.append(seconds)
            assert sums.read_again(seconds) == ["its cash on the main dex"]
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert pauses == sorted(pauses)
    assert pauses[-1] >= LONGEST_PAUSE_SECONDS
    assert len(asked) < 15


def test_interest_once_an_hour_is_asked_about_once_an_hour():
    sums, asked = classic((0, tokens(0, USDC=100))), []
    for seconds in range(5, 40_000, 5):
        sums.compare(tokens(seconds, USDC=100 + seconds // 3_600), seconds)
        if sums.doubt(seconds) is not None:
            asked.append(seconds)
            sums.read_again(seconds)
    assert len(asked) == 40_000 // 3_600


def test_sums_that_were_not_explained_prove_nothing_for_a_while():
    sums = classic((0, cash(1_000, 0)), (0, tokens(0, USDC=1)), (5, cash(1_001, 5)), (5, tokens(5, USDC=1)))
    assert sums.is_sure(6)
    assert sums.doubt(5 + PATIENCE_SECONDS) is not None
    sums.read_again(5 + PATIENCE_SECONDS)
    assert not sums.is_sure(5 + PATIENCE_SECONDS)
    assert sums.is_sure(5 + PATIENCE_SECONDS + FIRST_PAUSE_SECONDS)


@pytest.mark.parametrize("mode", ["unknown", "dex_abstraction", "portfolio_margin"])
def test_sums_prove_nothing_where_money_moves_without_a_word(mode):
    sums = Sums()
    sums.use(mode)
    sums.compare(cash(1_000, 0), 0)
    sums.compare(tokens(0, USDC=1), 0)
    assert not sums.is_sure(1)


def test_sums_prove_nothing_once_one_of_the_states_comes_no_more():
    sums = classic((0, cash(1_000, 0)), (0, tokens(0, USDC=1)), (100, cash(1_000, 100)))
    assert not sums.is_sure(100)


@pytest.mark.parametrize("changes", [{"complete": False}, {"exact": False}])
def test_nothing_follows_from_a_dex_that_could_not_be_read_whole(changes):
    sums = classic((0, cash(1_000, 0)), (5, cash(8_000, 5, **changes)))
    assert sums.doubt(60) is None


def test_a_token_that_was_never_there_and_comes_without_a_word_is_a_doubt():
    sums = classic((0, tokens(0, USDC=1)), (5, tokens(5, USDC=1, SPAM=1_000)))
    assert sums.standing(5 + PATIENCE_SECONDS) == ["its SPAM"]


def test_what_comes_twice_counts_once_and_what_was_read_back_from_before_not_at_all():
    paid = make_funding(time_ms=START_MS + 7_000, amount=Decimal(5))
    old = make_funding(time_ms=START_MS - 60_000, amount=Decimal(3))
    sums = classic((0, cash(1_000, 0)), (5, cash(1_000, 5)))
    sums.take([paid])
    sums.take([old, paid])
    sums.compare(cash(1_005, 10), 10)
    assert sums.doubt(60) is None


def test_an_event_that_comes_after_the_state_that_counts_it_in_is_no_doubt():
    sums = classic((0, cash(1_000, 0)), (5, cash(1_005, 5)))
    sums.take([make_funding(time_ms=START_MS + 4_000, amount=Decimal(5))])
    assert sums.doubt(5 + PATIENCE_SECONDS) is None


def test_more_events_than_are_kept_are_no_doubt_but_prove_nothing():
    sums = classic((0, cash(1_000, 0)), (0, tokens(0, USDC=1)))
    many = [make_fill(time_ms=START_MS + 2_000 + number, trade_id=number + 1) for number in range(9_000)]
    sums.take(many)
    sums.compare(cash(77, 12), 12)
    sums.compare(tokens(12, USDC=1), 12)
    assert sums.doubt(40) is None
    assert not sums.is_sure(40)


def test_a_payment_that_equals_a_lost_one_does_not_stand_for_it():
    sums = classic((0, cash(1_000, 0)))
    for seconds in range(1, 40):  # one every 6 s, and the first is lost
        if seconds % 6 == 2 and seconds > 6:
            sums.take([make_funding(time_ms=START_MS + 1_000 * seconds, amount=Decimal(5))])
        if seconds % 5 == 0:
            sums.compare(cash(1_000 + 5 * ((seconds + 4) // 6), seconds), seconds)
    assert sums.standing(30) == ["its cash on the main dex"]


LEDGER = [
    ({"type": "deposit", "amount": 5}, {"cash of dex ": 5}),
    ({"type": "withdraw", "amount": -5, "fee": 1}, {"cash of dex ": -6}),
    ({"type": "accountClassTransfer", "details": {"usdc": "7.0", "toPerp": True}}, {"cash of dex ": 7, "USDC": -7}),
    ({"type": "accountClassTransfer", "details": {"usdc": "7.0", "toPerp": False}}, {"cash of dex ": -7, "USDC": 7}),
    ({"type": "spotTransfer", "amount": 9, "token": "PURR", "fee_token": "HYPE", "fee": 1}, {"PURR": 9, "HYPE": -1}),
    (
        {"type": "cStakingTransfer", "amount": 0, "token": "HYPE", "details": {"amount": "3", "isDeposit": True}},
        {"HYPE": -3},
    ),
    (
        {
            "type": "send",
            "token": "USDC",
            "details": {
                "user": "0x1",
                "destination": "0x1",
                "sourceDex": "spot",
                "destinationDex": "xyz",
                "amount": "4",
            },
        },
        {"USDC": -4, "cash of dex xyz": 4},
    ),
    ({"type": "somethingNew"}, {}),
]


@pytest.mark.parametrize(("entry", "changes"), LEDGER, ids=[entry["type"] for entry, _ in LEDGER])
def test_each_entry_of_the_ledger_changes_the_pockets_that_it_says(entry, changes):
    amounts = {name: Decimal(value) for name, value in entry.items() if name in {"amount", "fee"}}
    found = changes_of(make_ledger(account="0x1", **({"amount": None} | entry | amounts)), shared=False, pairs={})
    assert {pocket: amount for pocket, amount in found if amount} == changes


@pytest.mark.skipif(not recorded.RECORDED.is_dir(), reason=recorded.NOT_HERE)
def test_recorded_fills_of_spot_move_their_token_as_the_next_fill_says():
    pairs = {}
    for line in recorded.payloads("spotMeta"):
        pairs |= {pair.coin: (pair.base, pair.quote) for pair in decode_spot_meta(line)}
    links = []
    for payload in (*recorded.payloads("userFills"), *recorded.payloads("userFillsByTime")):
        fills = decode_answer("userFills", "0x1", json.dumps(payload).encode(), clock_ms=1).events
        spot = sorted((fill for fill in fills if fill.coin in pairs), key=lambda fill: (fill.coin, fill.time_ms))
        for before, after in pairwise(spot):
            if before.coin == after.coin and after.time_ms - before.time_ms < 3_600_000:  # they are excerpts
                changes = changes_of(before, shared=False, pairs=pairs)
                moved = sum(amount for pocket, amount in changes if pocket == pairs[before.coin][0])
                links.append(before.start_position + moved == after.start_position)
    assert len(links) > 20
    assert all(links)


@pytest.mark.skipif(not recorded.RECORDED.is_dir(), reason=recorded.NOT_HERE)
def test_the_recorded_raw_cash_of_a_dex_is_its_value_less_its_positions():
    checked = 0
    for payload in recorded.payloads("clearinghouseState"):
        (shown,) = decode_answer("clearinghouseState", "0x1", json.dumps(payload).encode(), clock_ms=1).events
        (dex,) = shown.dexes
        held = sum(each.position_value.copy_sign(each.size) for each in dex.positions)
        raw = Decimal(payload["marginSummary"]["totalRawUsd"])
        assert abs(dex.account_value - held - raw) < Decimal("0.000001")
        checked += bool(dex.positions)
    assert checked > 2
