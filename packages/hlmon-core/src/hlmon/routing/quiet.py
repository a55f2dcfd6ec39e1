"""Quiet hours in a named time zone."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def check_hours(hours: str) -> tuple[time, time]:
    """The two times of `22:00-07:00`. Raises ValueError if that is not what it says."""
    parts = hours.split("-")
    try:
        start, end = (datetime.strptime(part.strip(), "%H:%M").time() for part in parts)  # no date
    except ValueError:
        raise ValueError("quiet_hours: must be two times of a day, such as 22:00-07:00") from None
    if start == end:
        raise ValueError("quiet_hours: must begin and end at different times")
    return start, end


def check_zone(zone: str) -> ZoneInfo:
    """The time zone of this name. Raises ValueError if there is none."""
    try:
        return ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise ValueError("zone: must be the name of a time zone, such as Europe/Berlin") from None


def quiet_until_ms(hours: str, zone: str, now_ms: int) -> int | None:
    """When the present quiet hours end; None if there are none now."""
    (start, end), where = check_hours(hours), check_zone(zone)
    local = datetime.fromtimestamp(now_ms / 1000, where)
    now = local.time()
    inside = start <= now < end if start < end else now >= start or now < end
    if not inside:
        return None
    over_midnight = start > end and now >= start
    return _next_ms(local.date() + timedelta(days=over_midnight), end, where, now_ms)


def _next_ms(day: date, end: time, where: ZoneInfo, now_ms: int) -> int:
    # PEP 495: where clocks are put back the same time comes twice, and fold=0 is the earlier one, which may be over.
    # Where they are put forward a time may not come at all; then fold=0 is the later one, and the hours end in between.
    first, second = (datetime.combine(day, end.replace(fold=fold), where).timestamp() for fold in (0, 1))
    if first > second:
        return _change_s(round(second), round(first), where) * 1000
    return round((first if first * 1000 > now_ms else second) * 1000)


def _change_s(before_s: int, after_s: int, where: ZoneInfo) -> int:
    """The first second of the new offset, which is not that of `before_s` any more at `after_s`."""
    old = datetime.fromtimestamp(before_s, where).utcoffset()
    while after_s - before_s > 1:
        middle_s = (before_s + after_s) // 2
        if datetime.fromtimestamp(middle_s, where).utcoffset() == old:
            before_s = middle_s
        else:
            after_s = middle_s
    return after_s
