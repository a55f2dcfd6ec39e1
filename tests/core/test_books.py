"""The books of an account: what is missing shows, and nothing shows where nothing is missing."""

import random
from decimal import Decimal
from itertools import pairwise

import pytest

from hlmon.events import AccountState, DexState, Fill, PositionReading
from hlmon.hyperliquid.books import PATIENCE_SECONDS, SETTLED_MS, Books
from hlmon.testing.builders import make_fill

BEGIN_MS = 1_700_000_000_000
ZERO = Decimal(0)
SEEDS = [1, 2, 3, *(random.randrange(10**6) for _ in range(3))]
STEPS = 1_500


def fill(time_ms, start, change, trade_id, coin="BTC", **changes):
    side = "buy" if change > 0 else "sell"
    fields = {"size": Decimal(abs(change)), "start_position": Decimal(start), "trade_id": trade_id} | changes
    return make_fill(coin=coin, side=side, time_ms=BEGIN_MS + time_ms, **fields)


def dex_state(dex, positions, *, complete=True):
    found = tuple(
        PositionReading(coin=coin, size=Decimal(size), position_value=ZERO) for coin, size in positions.items() if size
    )
    money = dict.fromkeys(
        ("account_value", "cross_account_value", "notional", "margin_used", "cross_maintenance_margin", "withdrawable"),
        ZERO,
    )
    return DexState(dex=dex, positions=found, complete=complete, **money)


def state(time_ms, positions, **changes):
    main = {coin: size for coin, size in positions.items() if ":" not in coin}
    other = {coin: size for coin, size in positions.items() if ":" in coin}
    dexes = (dex_state("", main, **changes), dex_state("xyz", other))
    return AccountState(account="0xa", time_ms=BEGIN_MS + time_ms, dexes=dexes)


class World:
    """An account that trades; `mail` is what its streams deliver: when (in seconds), and what."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.positions = dict.fromkeys(("BTC", "ETH", "xyz:SILVER"), 0)
        self.fills: list[Fill] = []
        self.mail: list[tuple[float, Fill | AccountState]] = []
        self.seconds = STEPS / 5
        self._trade_id = 0

    def live(self):
        next_state = 0
        for step in range(STEPS):
            now_ms = step * 200
            if now_ms >= next_state:
                next_state += 5_000
                self.deliver(now_ms, state(now_ms, self.positions), 3)
            if self.chance.random() < 0.15:
                self.block(now_ms)

    def block(self, now_ms):
        """The fills of one millisecond, of one coin, delivered in one or in several frames."""
        coin = self.chance.choice(list(self.positions))
        for _ in range(self.chance.choice([1, 1, 2, 3])):
            self._trade_id += 1
            start, change = self.positions[coin], self.chance.choice([-3, -2, -1, 1, 2, 3])
            if self.chance.random() < 0.1:
                for sign in (1, -1):
                    twin = fill(now_ms, start, sign, self._trade_id, coin, self_trade=True)
                    self.deliver(now_ms, twin, 20)
                continue
            made = fill(now_ms, start, change, self._trade_id, coin)
            self.positions[coin] += change
            self.fills.append(made)
            self.deliver(now_ms, made, 20)
            if self.chance.random() < 0.1:  # on a second stream, or read back
                self.deliver(now_ms, made, 25)

    def deliver(self, now_ms, event, longest):
        delay = self.chance.random() * self.chance.choice([0.1, 1, longest])
        self.mail.append((now_ms / 1000 + delay, event))


def doubts_of(world, *, without=()):
    """When the books doubted what, if these fills never come."""
    books, doubts, now = Books(), [], 0.0
    books.compare(state(0, dict.fromkeys(world.positions, 0)), 0.0)
    for at, event in [*sorted(world.mail, key=lambda mail: mail[0]), (world.seconds + 60, None)]:
        while now + 1 <= at:
            now += 1.0
            if doubt := books.doubt(now):
                doubts.append((now, doubt))
                books.read_again(doubt, now)
        if isinstance(event, AccountState):
            books.compare(event, at)
        elif event is not None and event not in without:
            books.take([event])
    return doubts


@pytest.mark.parametrize("seed", SEEDS)
def test_where_nothing_is_missing_no_difference_lasts(seed):
    print(f"seed {seed}")  # noqa: T201 - a failure must name it
    world = World(seed)
    world.live()
    assert doubts_of(world) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_fill_that_never_comes_is_in_doubt_soon_after_what_came_late_is_there(seed):
    print(f"seed {seed}")  # noqa: T201 - a failure must name it
    for number in range(5):
        world = World(seed * 10 + number)
        world.live()
        lost = world.chance.choice([one for one in world.fills if one.time_ms < BEGIN_MS + world.seconds * 1000 - 9000])
        doubts = doubts_of(world, without=[lost])
        assert doubts, lost
        at, doubt = doubts[0]
        assert doubt.coins == (lost.coin,)
        assert doubt.since_ms <= lost.time_ms
        assert at <= (lost.time_ms - BEGIN_MS) / 1000 + 90


class Account:
    """Books driven by hand."""

    def __init__(self, **positions):
        self.books, self.now = Books(), 0.0
        self.show(0, **positions)

    def show(self, time_ms, **positions):
        self.books.compare(state(time_ms, positions), self.now)

    def wait(self, seconds=PATIENCE_SECONDS):
        self.now += seconds
        return self.books.doubt(self.now)


def test_what_the_state_shows_first_is_where_the_fills_go_on_from():
    account = Account(BTC=5)
    account.books.take([fill(1000, 5, 2, 1)])
    account.show(2000, BTC=7)
    assert account.wait() is None


def test_what_is_read_again_from_before_the_first_state_is_in_it_already():
    account = Account(BTC=5, ETH=0)
    account.books.take([fill(-20_000, 0, 5, 1), fill(-10_000, 8, -8, 2, "ETH"), fill(0, 5, 1, 3), fill(1000, 6, 1, 4)])
    account.show(2000, BTC=7)
    assert account.wait() is None


def test_a_position_that_no_fill_leads_to_is_in_doubt_after_half_a_minute():
    account = Account(BTC=5)
    account.show(5000, BTC=7)
    assert account.wait(PATIENCE_SECONDS - 1) is None
    assert account.wait(1).since_ms == BEGIN_MS - SETTLED_MS


def test_a_break_in_the_fills_is_in_doubt_though_no_state_shows_it():
    account = Account(BTC=5)
    account.books.take([fill(1000, 6, 2, 1)])
    assert account.wait(1) is None
    assert account.wait() is not None


def test_a_round_trip_that_only_a_state_shows_is_in_doubt():
    account = Account()
    account.show(5000, BTC=7)
    account.show(10_000)
    assert account.wait() is not None


def test_a_round_trip_whose_fills_come_late_is_explained():
    account = Account()
    account.show(5000, BTC=7)
    account.show(10_000)
    account.books.take([fill(4000, 0, 7, 1), fill(8000, 7, -7, 2)])
    account.show(15_000)
    assert account.wait() is None


def test_fills_that_came_back_explain_the_difference():
    account = Account(BTC=5)
    account.show(5000, BTC=7)
    doubt = account.wait()
    account.books.take([fill(4000, 5, 2, 1)])
    account.books.read_again(doubt, account.now)
    account.show(40_000, BTC=7)
    assert account.books.unexplained() == []
    assert not account.books.in_doubt


def test_what_a_second_reading_does_not_explain_is_told_once_and_lasts_until_they_agree_again():
    account = Account(BTC=5)
    account.show(5000, BTC=7)
    account.books.read_again(account.wait(), account.now)
    account.show(40_000, BTC=7)
    (found,) = account.books.unexplained()
    assert (found.coin, found.expected, found.shown, found.since_ms) == ("BTC", 5, 7, BEGIN_MS - SETTLED_MS)
    account.show(45_000, BTC=7)
    assert (account.books.unexplained(), account.books.doubtful(account.now)) == ([], ["BTC"])
    account.books.take([fill(50_000, 7, 1, 9)])
    account.show(51_000, BTC=8)
    assert (account.books.unexplained(), account.books.in_doubt) == ([], False)
    assert account.wait() is None


def test_what_is_not_explained_is_read_again_with_growing_pauses():
    account = Account(BTC=5)
    account.show(5000, BTC=7)
    asked = []
    for second in range(4000):
        if doubt := account.wait(1):
            asked.append(second)
            account.books.read_again(doubt, account.now)
            account.show(5000 + second, BTC=7)
    assert [later - before for before, later in pairwise(asked)] == [
        60,
        120,
        240,
        480,
        900,
        900,
        900,
    ]


@pytest.mark.parametrize("is_there", [True, False])
def test_a_dex_that_is_missing_or_not_wholly_readable_proves_nothing(is_there):
    account = Account(BTC=5)
    for time_ms in range(5_000, 90_000, 5_000):
        dexes = (dex_state("", {}, complete=False),) if is_there else (dex_state("xyz", {}),)
        account.books.compare(AccountState(account="0xa", time_ms=BEGIN_MS + time_ms, dexes=dexes), account.now)
        assert account.wait(5) is None


def test_a_state_that_is_a_little_behind_a_busy_account_agrees():
    account = Account()
    for second in range(120):
        account.books.take(
            [fill(second * 1000 + ms, second * 10 + ms // 100, 1, second * 10 + ms) for ms in range(0, 1000, 100)]
        )
        if second % 5 == 4:
            account.show(second * 1000 - 500, BTC=(second - 1) * 10 + 6)
        assert account.wait(1) is None


def test_a_state_that_is_behind_an_account_of_very_many_fills_agrees():
    books = Books()
    books.compare(state(0, {}), 0.0)
    books.take([fill(10 * number, number - 1, 1, number) for number in range(1, 1_001)])  # in 10 s
    books.compare(state(6_000, {"BTC": 600}), 6.0)
    assert not books.in_doubt
    books.compare(state(6_500, {"BTC": 2_000}), 6.5)
    assert books.in_doubt


def test_the_same_fill_again_changes_nothing():
    account = Account()
    rows = [fill(1000, 0, 1, 1), fill(2000, 1, -1, 2)]
    account.books.take([*rows, *rows])
    account.show(3000)
    account.books.take(rows)
    account.show(8000)
    assert account.wait() is None


def test_a_fill_without_start_position_goes_on_from_the_state():
    account = Account(BTC=5)
    account.books.take([fill(1000, 0, 1, 1, start_position=None)])
    account.show(5000, BTC=6)
    assert account.wait() is None


def test_what_was_read_back_before_the_books_begin_ends_where_its_newest_fill_does():
    books = Books()
    books.take([fill(2000, 9, 1, 2), fill(1000, 0, 1, 1)])  # what is missing between them is a gap already
    books.begin()
    books.compare(state(5000, {"BTC": 10}), 5.0)
    assert books.doubt(40.0) is None
    books.compare(state(9000, {"BTC": 11}), 41.0)
    assert books.doubt(80.0).since_ms == BEGIN_MS + 5000 - SETTLED_MS


def test_what_is_read_again_of_before_the_books_is_not_counted_even_if_a_fill_came_before_the_first_state():
    books = Books(BEGIN_MS + 2_000)  # fills of before are missing, which a gap says
    books.begin()
    live = fill(3_000, 5, 1, 3)
    books.take([live])
    books.compare(state(6_000, {"BTC": 6}), 6.0)
    books.take([fill(1_000, 0, 1, 1), live])
    for seconds in range(10, 60, 5):
        books.compare(state(1_000 * seconds, {"BTC": 6}), float(seconds))
        assert not books.in_doubt


def test_fills_after_the_beginning_of_the_books_are_counted_though_no_state_came_before_them():
    books = Books(BEGIN_MS + 2_000)
    books.begin()
    books.take([fill(3_000, 5, 1, 3), fill(4_000, 7, 1, 5)])
    books.compare(state(6_000, {"BTC": 8}), 6.0)
    assert books.doubt(40.0) is not None


@pytest.mark.parametrize("is_missing", [False, True])
@pytest.mark.parametrize("is_ordered", [False, True])
def test_of_very_many_fills_the_newest_are_kept_and_a_break_is_not_forgotten(is_missing, is_ordered):
    account = Account()
    rows = [fill(number // 3, number, 1, number + 1) for number in range(15_000)]
    if is_missing:
        del rows[1_000]
    if not is_ordered:
        rows[500], rows[600] = rows[600], rows[500]
    for row in rows:
        account.books.take([row])
    account.show(5_000, BTC=15_000)
    assert (account.wait() is not None) is is_missing
    assert len(account.books._coins["BTC"].fills) <= 10_000


def test_what_a_dex_had_that_is_gone_or_renamed_is_no_difference():
    books = Books()
    books.begin()
    books.compare(state(1000, {"xyz:AAA": 5}), 1.0)
    books.take([fill(2000, 5, 1, 1, coin="xyz:AAA")])  # just before it was renamed
    gone = AccountState(time_ms=BEGIN_MS + 6000, dexes=(dex_state("", {}), dex_state("xyz", {})))
    books.end("xyz")
    books.compare(gone, 6.0)
    books.take([fill(2500, 6, 1, 2, coin="xyz:AAA")])  # read back later
    books.compare(AccountState(time_ms=BEGIN_MS + 11_000, dexes=(dex_state("", {}),)), 11.0)
    assert books.doubt(100.0) is None
    assert books.doubtful(100.0) == []


@pytest.mark.parametrize("is_repeated", [False, True])
def test_more_fills_in_one_millisecond_than_are_kept_lead_to_where_they_end(is_repeated):
    crowd = [fill(0, place, 1, place + 1) for place in range(1_151)]
    crowd += [fill(0, 1_151 - place, -1, 2_000 + place) for place in range(1_150)]
    books = Books()
    for each in crowd + (crowd[600:] if is_repeated else []):
        books.take([each])
    books.take([fill(2_000, 1, -1, 9_999)])
    books.begin()
    for seconds in range(5, 60, 5):
        books.compare(state(1_000 * seconds, {"BTC": 0}), float(seconds))
        assert not books.in_doubt


def test_very_many_fills_from_before_the_first_state_that_are_read_again_are_in_it_already():
    books = Books()
    books.compare(state(60_000, {"BTC": 0}), 0.0)
    for place in range(2_500):
        books.take([fill(place, place, 1, place + 1)])
    books.take([fill(4_000, 2_500, -2_500, 9_999)])
    for seconds in range(5, 60, 5):
        books.compare(state(60_000 + 1_000 * seconds, {"BTC": 0}), float(seconds))
        assert not books.in_doubt
