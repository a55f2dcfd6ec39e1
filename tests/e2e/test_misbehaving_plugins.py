"""Every kind of component does wrong in every way at every moment, in real processes: the monitor and the others go on.

The processes run beside each other before the first test; each test reads what became of one of them.
"""

from __future__ import annotations

import re
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.misbehaviour import TYPES, Case, Told, hlmon_with, site_of

PROMISED_STOP_S = 20
AT_ONCE = 20  # they mostly wait
RAISING = ("raises", "panics", "exits")
HARMLESS = ("prints", "blocks")
WAYS = (*RAISING, "hangs", *HARMLESS)
HOOKS = ("hlmon_sources", "hlmon_sinks", "hlmon_notifiers", "hlmon_derivers")

AT_WORK = [Case(moment, way) for way in WAYS for moment in ("open", "first call", "later call")]
SIDE_CALLS = [Case("side call", way, ("source", "sink")) for way in WAYS if way != "hangs"]
CLOSING = [Case("close", way) for way in WAYS if way != "blocks"]
CLOSING += [Case("close", "blocks", (kind,)) for kind in TYPES]  # one after the other they would need 20 s
LOADING = [Case("import", way, ("plugin",)) for way in WAYS]
LOADING += [Case(hook, way, ("plugin",)) for hook in HOOKS for way in ("panics", "hangs")]
LEAVING = [Case("open", "leaves a thread", ("sink",)), Case("open", "hangs at exit", ("sink",))]
ALL = [*AT_WORK, *SIDE_CALLS, *CLOSING, *LOADING, *LEAVING]


def expects_names(case: Case) -> bool:
    return case in [*AT_WORK, *SIDE_CALLS] and case.way not in HARMLESS


@pytest.fixture(scope="module", autouse=True)
def told(exchange, tmp_path_factory):
    """All of them, told."""
    folder = tmp_path_factory.mktemp("misbehaving")
    site = site_of(folder / "site")
    stories = [
        (case, Told(case, exchange, folder / str(number), site, names_bad=case not in LOADING))
        for number, case in enumerate(ALL)
    ]
    stories.sort(key=lambda story: story[0].way != "hangs")  # the longest first
    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(lambda story: story[1].tell(expects_names(story[0])), stories))


@pytest.mark.parametrize("case", ALL, ids=str)
def test_fills_are_stored_delivered_and_told_whatever_others_do(case):
    assert case.trouble == ""
    assert case.received == [case.trades] * 3


@pytest.mark.parametrize(
    ("case", "kind"),
    [(case, kind) for case in filter(expects_names, ALL) for kind in case.kinds],
    ids=str,
)
def test_the_status_names_what_fails_and_says_why(case, kind):
    if case.way == "hangs":
        assert re.search(r"not return|has been running|blocks its event loop", case.named[kind])
    else:
        assert f"{kind} out of order" in case.named[kind]


@pytest.mark.parametrize("case", ALL, ids=str)
def test_it_stops_in_time_and_with_success(case):
    assert case.stop_s < PROMISED_STOP_S
    assert case.code == 0


@pytest.mark.parametrize("case", CLOSING, ids=str)
def test_what_does_not_close_is_named_in_the_log(case):
    if case.way in HARMLESS:
        assert "while it was closed" not in case.log
    elif case.way == "hangs":
        assert case.log.count("left to itself") == 3  # a rule is closed on the main thread, where it can be interrupted
        assert "bad (bad_rule) failed while it was closed: Overdue" in case.log
    else:
        assert case.log.count("failed while it was closed") == len(TYPES)


@pytest.mark.parametrize("case", LOADING, ids=str)
def test_a_plugin_that_cannot_be_loaded_and_that_no_config_names_is_a_warning(case):
    assert ("the plugin misbehaving is broken" in case.log) == (case.way not in HARMLESS)


def test_whatever_keeps_the_process_after_its_end_is_named():
    thread, function = LEAVING
    assert "these threads of plugins did not end: left by sink" in thread.log
    assert "something did not end" in function.log


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return site_of(tmp_path_factory.mktemp("commands") / "site")


@pytest.mark.parametrize("way", RAISING)
def test_help_check_and_the_list_of_plugins_work_beside_a_plugin_that_cannot_be_imported(way, site, tmp_path):
    (tmp_path / "hlmon.toml").write_text(f'[[account]]\naddress = "0x{"1" * 40}"\n')
    commands = (("--help",), ("check", "-c", "hlmon.toml"), ("plugins",))
    programs = [hlmon_with(Case("import", way, ("plugin",)), site, tmp_path, *command) for command in commands]
    (helped, _), (checked, warned), (listed, _) = (program.communicate(timeout=60) for program in programs)
    assert [program.returncode for program in programs] == [0, 0, 0]
    assert "Commands:" in helped
    assert "The config is right." in checked
    assert "misbehaving" in warned
    assert "plugin out of order" in listed


@pytest.mark.parametrize(("way", "code"), [("raises", 4), ("panics", 4), ("exits", 1), ("prints", 0), ("blocks", 0)])
def test_a_command_that_does_wrong_ends_with_its_code_and_no_traceback(way, code, site, tmp_path):
    program = hlmon_with(Case("command", way, ("plugin",)), site, tmp_path, "misbehave")
    _, errors = program.communicate(timeout=60)
    assert program.returncode == code
    assert "Traceback" not in errors


def test_a_command_that_hangs_is_ended_by_its_user(site, tmp_path, wait):
    program = hlmon_with(Case("command", "hangs", ("plugin",)), site, tmp_path, "misbehave")
    with program:
        wait(lambda: program.poll() is not None or program.send_signal(signal.SIGINT), 30, every=1.0)
    assert program.returncode in {130, -signal.SIGINT}
