"""When the watchdog says what; time is a number here."""

from __future__ import annotations

from hlmon.watchdog import Rhythm

INTERVAL_S = 60.0


def said(*wells: tuple[float, bool], rhythm: Rhythm | None = None) -> list[tuple[float, str]]:
    """What was sent, by a rhythm that is asked at these moments; every ping arrives."""
    rhythm = rhythm or Rhythm(INTERVAL_S, 0.0)
    found = []
    for now, well in wells:
        signal = rhythm.due(now, well=well)
        if signal is not None:
            rhythm.sent(signal, now)
            found.append((now, signal))
    return found


def every_five_seconds(start: float, end: float, *, well: bool) -> list[tuple[float, bool]]:
    return [(float(now), well) for now in range(int(start), int(end), 5)]


def test_first_the_start_then_a_success_each_interval():
    assert said(*every_five_seconds(0, 130, well=True)) == [
        (0.0, "start"),
        (5.0, "success"),
        (65.0, "success"),
        (125.0, "success"),
    ]


def test_the_first_success_waits_until_all_is_well_and_comes_at_once_then():
    looks = every_five_seconds(0, 40, well=False) + every_five_seconds(40, 60, well=True)
    assert said(*looks) == [(0.0, "start"), (40.0, "success")]


def test_no_success_while_something_is_wrong_and_a_failure_each_interval_once_it_lasts_one():
    looks = every_five_seconds(0, 10, well=True) + every_five_seconds(10, 200, well=False)
    assert said(*looks) == [(0.0, "start"), (5.0, "success"), (70.0, "fail"), (130.0, "fail"), (190.0, "fail")]


def test_a_trouble_of_less_than_an_interval_delays_a_success_and_is_no_failure():
    looks = every_five_seconds(0, 40, well=True)
    looks += every_five_seconds(40, 95, well=False) + every_five_seconds(95, 120, well=True)
    assert said(*looks) == [(0.0, "start"), (5.0, "success"), (95.0, "success")]


def test_troubles_do_not_add_up():
    looks = [(0.0, False), (50.0, False), (55.0, True), (60.0, False), (115.0, False)]
    assert said(*looks) == [(0.0, "start"), (55.0, "success")]


def test_the_recovery_from_a_failure_is_told_at_once():
    looks = [(0.0, False), (60.0, False), (65.0, True), (70.0, True)]
    assert said(*looks) == [(0.0, "start"), (60.0, "fail"), (65.0, "success")]


def test_a_ping_that_did_not_arrive_is_repeated_ever_more_rarely_up_to_the_interval():
    rhythm = Rhythm(INTERVAL_S, 0.0)
    tries = []
    for now in range(0, 300, 5):
        if rhythm.due(float(now), well=True) is not None:
            tries.append(now)
            rhythm.missed(float(now))
    assert tries == [0, 5, 15, 35, 75, 135, 195, 255]


def test_a_recovery_whose_ping_did_not_arrive_is_repeated_in_the_same_rhythm():
    rhythm = Rhythm(INTERVAL_S, 0.0)
    said((0.0, False), (60.0, False), rhythm=rhythm)
    assert rhythm.due(65.0, well=True) == "success"
    rhythm.missed(65.0)
    assert rhythm.due(66.0, well=True) is None
    assert said((70.0, True), (75.0, True), rhythm=rhythm) == [(70.0, "success")]
