"""The watch screen as a pure function of what a monitor says and what its journal holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from hlmon.cli.board import Board
from hlmon.cli.output import escaped
from hlmon.cli.running import Verdict
from hlmon.cli.sections import (
    CAUTION,
    GAIN,
    LOSS,
    View,
    accounts_section,
    closes_section,
    fills_section,
    positions_section,
)
from hlmon.cli.text import ago, short_span, span
from hlmon.status import ConnectionStatus, Status

LEGEND: Final = f"[{GAIN}]green[/] gain, long, buy  [{LOSS}]red[/] loss, short, sell"


def render(status: Status | None, verdict: Verdict, board: Board, view: View) -> RenderableType:
    """The whole screen, not higher or wider than `view` says as long as that is 80 x 24 or more."""
    sections = [
        accounts_section(status, board, view),
        positions_section(board, view),
        fills_section(board, view),
        closes_section(board, view),
    ]
    top, bottom = _header(status, verdict, view), _footer(status, board, view)
    fixed = len(top) + len(bottom) + sum(1 + (section.heads if section.rows else 1) for section in sections)
    shares = share([section.rows for section in sections], view.height - fixed)
    body = [part for section, shown in zip(sections, shares, strict=True) for part in section.draw(shown, view.width)]
    used = fixed + sum(shares)
    return Group(*top, *body, *[Text("")] * (view.height - used), *bottom)


def share(wanted: Sequence[int], room: int) -> list[int]:
    """Divide rows among sections: one each in turn until all have what they want or the room is used."""
    given = [0] * len(wanted)
    while room > 0 and given != list(wanted):
        for index, want in enumerate(wanted):
            if given[index] < want and room > 0:
                given[index] += 1
                room -= 1
    return given


def _header(status: Status | None, verdict: Verdict, view: View) -> list[RenderableType]:
    connection = status.sources[0].connection if status and status.sources else ConnectionStatus()
    if not verdict.running:
        dot, text = LOSS, f"not running: {verdict.why}"
    elif connection.state == "live":
        dot, text = GAIN, f"live · last message {ago(connection.last_frame_ms, view.now_ms)}"
    elif connection.state == "idle":
        dot, text = CAUTION, "running, nothing to watch yet"
    else:
        reason = f" ({connection.reason})" if connection.reason else ""
        dot, text = CAUTION, f"{connection.state} for {span(view.now_ms - connection.since_ms)}{reason}"
    if status and verdict.running:
        text += f" · up {span(view.now_ms - status.started_ms)}"
        text += f" · {connection.reconnects} reconnects" if connection.reconnects else ""
    lines: list[RenderableType] = [_line(f"[bold]{escaped(view.title)}[/]  [{dot}]●[/] {escaped(text)}", view)]
    problems = verdict.reasons(status, now_ms=view.now_ms) if verdict.running else []
    limit = 2 if len(problems) > 3 else 3
    lines += [_line(f"[{CAUTION}]! {escaped(problem)}[/]", view) for problem in problems[:limit]]
    if len(problems) > limit:
        lines.append(_line(f"[{CAUTION}]! and {len(problems) - limit} more: hlmon status[/]", view))
    return lines


def _footer(status: Status | None, board: Board, view: View) -> list[RenderableType]:
    missing = board.missing
    streams = f"[{LOSS}]{len(missing)} gaps not healed (hlmon gaps)[/]" if missing else f"[{GAIN}]no gaps[/]"
    parts = [streams]
    for follower in status.followers if status else ():
        state = f"{follower.lag:,} behind" if follower.lag else "up to date"
        colour = LOSS if follower.failing_since_ms else CAUTION if follower.lag > 1000 else GAIN
        state = (
            f"failing for {short_span(view.now_ms - follower.failing_since_ms)}" if follower.failing_since_ms else state
        )
        parts.append(f"{escaped(follower.name)} [{colour}]{state}[/]")
    return [
        _line(" · ".join(parts), view),
        _line(f"{LEGEND}  amounts in USDC  [bold]q[/] quits", view),
    ]


def _line(markup: str, view: View) -> Text:
    text = Text.from_markup(markup)
    text.truncate(view.width, overflow="ellipsis")
    return text
