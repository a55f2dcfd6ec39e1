"""The parts of the watch screen: what is looked at, and a section for each kind of thing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from hlmon.cli.board import Board
from hlmon.cli.output import escaped
from hlmon.cli.text import UNKNOWN, ago, money, number, price, short_span
from hlmon.events import AccountSnapshot, Fill, Position, PositionClosed
from hlmon.status import AccountStatus, Status

WIDE: Final = 110
BAR: Final = 8

GAIN, LOSS, QUIET, CAUTION = "green", "red", "bright_black", "yellow"


@dataclass(frozen=True, kw_only=True)
class View:
    """What is looked at and from where: the labels of accounts, the time, the size of the terminal.

    `now_ms` is the present in the time of the status; the times of events are of a clock that is `skew_ms` ahead.
    """

    now_ms: int
    skew_ms: int = 0
    width: int = 80
    height: int = 24
    title: str = "hlmon"
    labels: dict[str, str]

    @property
    def wide(self) -> bool:
        """Whether there is room for the further columns."""
        return self.width >= WIDE

    def when(self, time_ms: int) -> str:
        """How long ago something happened."""
        return f"[{QUIET}]{ago(time_ms, self.now_ms + self.skew_ms, ' ago' if self.wide else '')}[/]"

    def name(self, account: str) -> str:
        """An account's label, else the ends of its address."""
        text = self.labels.get(account) or (f"{account[:4]}…{account[-4:]}" if len(account) > 12 else account)
        limit = 20 if self.wide else 10
        return escaped(text if len(text) <= limit else f"{text[: limit - 1]}…")


@dataclass(frozen=True)
class Section:
    """A heading with an explanation and a table; `rows` is what there is, `make` builds the first n of it.

    Lists of the newest have no end, so their number is not `counted` in the heading.
    """

    title: str
    note: str
    empty: str
    heads: int
    rows: int
    make: Callable[[int], Table]
    counted: bool = True

    def draw(self, shown: int, width: int) -> list[RenderableType]:
        """The heading, and as many rows as there is room for."""
        count = f" {shown} of {self.rows}" if shown < self.rows else f" {self.rows}"
        count = count if self.rows and self.counted else ""
        line = Text.from_markup(f"[bold]{self.title}[/][cyan]{count}[/]  [{QUIET}]{self.note}[/] ")
        line.truncate(width, overflow="ellipsis")
        line.append("─" * (width - line.cell_len), style=QUIET)
        if not self.rows:
            return [line, Text.from_markup(f"[{QUIET}]{self.empty}[/]")]
        return [line, self.make(shown)]


def accounts_section(status: Status | None, board: Board, view: View) -> Section:
    """Every account that is watched or known: its value, its health, when it was last heard."""
    watched = {account.address: account for source in status.sources for account in source.accounts} if status else {}
    names = [*watched, *(account for account in board.accounts if account not in watched)]

    def make(shown: int) -> Table:
        more = ("Withdrawable", "Margin used") if view.wide else ()
        table = _table(("Account", "Mode"), ("Value", *more, "Open PnL", "Leverage"), ("Health", "Heard"))
        for account in names[:shown]:
            live, info = watched.get(account), board.infos.get(account)
            is_doubtful = live is not None and info is not None and info.mode == "unknown"  # then no figure is right
            known = None if is_doubtful else board.snapshots.get(account)
            figures = [money(known.withdrawable), money(known.total_margin_used)] if known else [UNKNOWN] * 2
            mode = "unknown" if is_doubtful else known.mode if known else info.mode if info else UNKNOWN
            table.add_row(
                view.name(account),
                "portfolio" if mode == "portfolio_margin" else mode,
                money(known.account_value) if known else UNKNOWN,
                *(figures if view.wide else ()),
                _gain(known.total_unrealized_pnl) if known else UNKNOWN,
                f"{known.leverage:.1f}x" if known else UNKNOWN,
                _health(known),
                _heard(live, view.now_ms),
            )
        return table

    note = "health: 100 is safe, 0 is liquidation"
    empty = "No account yet. hlmon run --account 0x… watches one."
    return Section("Accounts", note, empty, 1, len(names), make)


def _heard(account: AccountStatus | None, now_ms: int) -> str:
    if account is None:
        return f"[{QUIET}]not watched[/]"
    if account.status in {"refused", "missing"}:
        return f"[{LOSS}]{account.status}[/]"
    if account.resuming:
        return f"[{CAUTION}]reading back[/]"
    return ago(account.last_seen_ms, now_ms) if account.status == "watched" else f"[{CAUTION}]joining[/]"


def _health(snapshot: AccountSnapshot | None) -> str:
    if snapshot is None:
        return UNKNOWN
    score = snapshot.health_score
    colour = GAIN if score >= 60 else CAUTION if score >= 30 else LOSS
    filled = round(score * BAR / 100)
    return f"[{colour}]{'━' * filled}[/][{QUIET}]{'━' * (BAR - filled)}[/] {score:>3}"


def positions_section(board: Board, view: View) -> Section:
    """Open positions, the largest first."""
    held = board.open_positions

    def make(shown: int) -> Table:
        more = ("Value", "Margin", "Leverage") if view.wide else ()
        table = _table(("Account", "Coin", "Side"), ("Size", "Entry", "Mark", "Liq.", *more, "PnL"))
        for position in held[:shown]:
            table.add_row(
                view.name(position.account),
                escaped(position.coin),
                _side(position),
                number(position.size),
                price(position.entry_price),
                price(position.mark_price),
                price(position.liquidation_price),
                *(_sizes(position) if view.wide else ()),
                _gain(position.unrealized_pnl),
            )
        return table

    note = "Liq.: price of forced closing · PnL: gain if closed now"
    return Section("Open positions", note, "None.", 1, len(held), make)


def _side(position: Position) -> str:
    return f"[{GAIN if position.side == 'long' else LOSS}]{position.side}[/]"


def _sizes(position: Position) -> tuple[str, str, str]:
    value = None if position.mark_price is None else position.size * position.mark_price
    return money(value), money(position.margin_used), f"{position.leverage}x {position.margin_mode}"


def fills_section(board: Board, view: View) -> Section:
    """The newest fills."""

    def make(shown: int) -> Table:
        table = _table(("", "", "", ""), ("", ""), ("",), heads=False)
        for fill in board.fills[:shown]:
            bought = fill.side == "buy"
            table.add_row(
                view.when(fill.time_ms),
                view.name(fill.account),
                escaped(fill.coin),
                f"[{GAIN}]bought[/]" if bought else f"[{LOSS}]sold[/]",
                number(fill.size),
                f"at {price(fill.price)}",
                _fill_result(fill),
            )
        return table

    return Section(
        "Last fills",
        "what was bought and sold, newest first; result before fees",
        "None yet.",
        0,
        len(board.fills),
        make,
        counted=False,
    )


def _fill_result(fill: Fill) -> str:
    if fill.liquidation is not None and fill.liquidation.user == fill.account:
        return f"[{LOSS}]liquidated[/] {_gain(fill.closed_pnl)}"
    if fill.is_position_close:
        return f"position closed, {_gain(fill.closed_pnl)}"
    return f"result {_gain(fill.closed_pnl)}" if fill.closed_pnl else ""


def closes_section(board: Board, view: View) -> Section:
    """The newest closed positions."""

    def make(shown: int) -> Table:
        sizes = ("",) if view.wide else ()
        table = _table(("", "", "", ""), (*sizes, "", ""), ("",), heads=False)
        for close in board.closes[:shown]:
            table.add_row(
                view.when(close.time_ms),
                view.name(close.account),
                escaped(close.coin),
                f"[{GAIN if close.side == 'long' else LOSS}]{close.side}[/]",
                *((number(close.size),) if view.wide else ()),
                f"{price(close.entry_price)} → {price(close.exit_price)}",
                _gain(close.net_pnl),
                _ending(close),
            )
        return table

    note = "entry → exit price, result after fees and funding"
    return Section("Last closed positions", note, "None yet.", 0, len(board.closes), make, counted=False)


def _ending(close: PositionClosed) -> str:
    held = f"after {short_span(close.time_ms - close.opened_ms)}" if close.opened_ms else ""
    if close.cause in {"order", "flip"}:
        return held
    words = {"adl": "deleveraged", "liquidation": "liquidated", "state": "fill not seen"}
    return f"{held} [{CAUTION}]{words.get(close.cause, close.cause)}[/]".lstrip()


def _gain(value: Decimal | None) -> str:
    if not value:
        return money(value)
    return f"[{GAIN if value > 0 else LOSS}]{money(value, signed=True)}[/]"


def _table(left: Sequence[str], right: Sequence[str], last: Sequence[str] = (), *, heads: bool = True) -> Table:
    table = Table(box=None, show_header=heads, header_style=QUIET, padding=(0, 1, 0, 0), pad_edge=False)
    for names, justify in ((left, "left"), (right, "right"), (last, "left")):
        for name in names:
            table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=True, overflow="ellipsis")
    return table
