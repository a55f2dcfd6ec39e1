"""Every kind of component does wrong in every way at every moment, in real processes: the monitor and the others go on.

The processes run beside each other before the first test; each test reads what became of one of them.
"""

from __future__ import annotations

import inspect
import re
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

import pytest

import hlmon
from hlmon import hookspecs
from tests.e2e.conftest import toml_of
from tests.e2e.misbehaviour import TYPES, Case, Told, done_in, hlmon_with, site_of

PROMISED_STOP_S = 20
AT_ONCE = 20  # they mostly wait
RAISING = ("raises", "panics", "exits")
HARMLESS = ("prints", "blocks")
WAYS = (*RAISING, "hangs", *HARMLESS)
NONSENSE = "returns nonsense"
HOOKS = ("hlmon_sources", "hlmon_sinks", "hlmon_notifiers", "hlmon_derivers", "hlmon_commands")
HOST_ONLY = (hlmon.Ingest,)  # a protocol that plugins call, and do not provide

AT_WORK = [Case(moment, way) for way in WAYS for moment in ("open", "first call", "later call")]
AT_WORK += [Case("open", NONSENSE), Case("first call", NONSENSE, ("source", "rule"))]
SIDE_CALLS = [Case("side call", way, ("source", "sink", "rule")) for way in (*WAYS, NONSENSE)]
MEMORIES = [Case("load_memory", way, ("rule",)) for way in WAYS]
CLOSING = [Case("close", way) for way in WAYS if way != "blocks"]
CLOSING += [Case("close", "blocks", (kind,)) for kind in TYPES]  # one after the other they would need 20 s
LOADING = [Case("import", way, ("plugin",)) for way in WAYS]
LOADING += [Case("hooks", way, ("plugin",)) for way in (*RAISING, *HARMLESS, NONSENSE)]
LOADING += [Case(hook, "hangs", ("plugin",)) for hook in HOOKS[:-1]]  # one after the other they would need 120 s
CHECKING = [Case("check", way) for way in (*RAISING, *HARMLESS, NONSENSE)]
CHECKING += [Case("check", "hangs", (kind,)) for kind in TYPES]  # one after the other they would need 120 s
LEAVING = [Case("open", "leaves a thread", ("sink",)), Case("open", "hangs at exit", ("sink",))]
STOPPED = [Case(moment, "hangs", ("rule",), stops=True) for moment in ("open", "first call", "load_memory")]
GOING_ON = [*AT_WORK, *SIDE_CALLS, *MEMORIES, *CLOSING, *LOADING, *CHECKING, *LEAVING]
ALL = [*GOING_ON, *STOPPED]

# What commands call: the moment, the command, what of it is said when it fails.
COMMANDS = {
    "hlmon_commands": ("--help",),
    "needs": ("cost", "--config", "hlmon.toml"),
    "check_connection": ("check", "--connect", "-c", "hlmon.toml"),
    "check": ("check", "-c", "hlmon.toml"),
}
ONE_BY_ONE = {"check", "needs"}  # one after the other they would hang for 120 s
IN_COMMANDS = [
    Case(moment, way) for moment in COMMANDS for way in (*WAYS, NONSENSE) if way != "hangs" or moment not in ONE_BY_ONE
]
IN_COMMANDS += [Case(moment, "hangs", (kind,)) for moment in sorted(ONE_BY_ONE) for kind in TYPES]


def named_kinds(case: Case) -> tuple[str, ...]:
    """The kinds of parts that the status must call failing."""
    if case in AT_WORK and case.way not in HARMLESS:
        return case.kinds
    if case in SIDE_CALLS and case.way not in HARMLESS:
        return ("source", "sink")  # the memory of a rule is first asked for when the monitor stops
    return ("rule",) if case in MEMORIES and case.way == "hangs" else ()


@dataclass
class Matrix:
    """What became of all of them."""

    done: set[str]  # as the plugin noted it, "call: way"
    programs: dict[Case, tuple[int, str]]  # code and output of commands


@pytest.fixture(scope="module", autouse=True)
def matrix(exchange, tmp_path_factory):
    """All of them, told."""
    folder = tmp_path_factory.mktemp("misbehaving")
    site = site_of(folder / "site")
    stories = [
        (case, Told(case, exchange, folder / str(number), site, names_bad=case not in LOADING))
        for number, case in enumerate(ALL)
    ]
    stories.sort(key=lambda story: story[0].way != "hangs")  # the longest first
    with ThreadPoolExecutor(AT_ONCE) as threads:
        programs = {case: threads.submit(run, case, exchange, folder / str(case), site) for case in IN_COMMANDS}
        list(threads.map(lambda story: story[1].tell(named_kinds(story[0])), stories))
    done = {line for each in folder.iterdir() if each.is_dir() for line in done_in(each)}
    return Matrix(done, {case: program.result() for case, program in programs.items()})


def run(case, exchange, folder, site):
    """A command of the case to its end."""
    folder.mkdir()
    parts = "".join(f'[{kind}.bad]\ntype = "bad_{kind}"\n' for kind in TYPES)
    account = exchange.do(exchange.server.world.add_account)
    (folder / "hlmon.toml").write_text(
        toml_of(exchange.url, [account.address], more=parts * (case.moment != "hlmon_commands"))
    )
    program = hlmon_with(case, site, folder, *COMMANDS[case.moment])
    try:
        output, errors = program.communicate(timeout=90)
    except subprocess.TimeoutExpired:
        program.kill()
        output, errors = program.communicate()
    return program.returncode, output + errors


def calls_of_plugins():
    """Every hook, every method of a public protocol, and what a factory is asked for: "Class.method"."""
    yield from (name for name, each in vars(hookspecs).items() if hasattr(each, "hlmon_spec"))
    for protocol in filter(lambda each: getattr(each, "_is_protocol", False), vars(hlmon).values()):
        for name, method in vars(protocol).items():
            if (
                protocol not in HOST_ONLY
                and inspect.isfunction(method)
                and not name.startswith("_") ^ (name == "__call__")
            ):
                yield f"{protocol.__name__}.{name}"
    for factory in hlmon.Factory.__subclasses__():
        asked = [each.name for each in fields(factory) if each.type.startswith("Callable")]
        yield from (f"{factory.__name__}.{name}" for name in (*asked, "close"))


def test_every_hook_and_every_public_call_of_a_plugin_has_done_wrong_in_every_way(matrix):
    calls = set(calls_of_plugins())
    assert {"hlmon_sources", "Sink.write", "Deriver.__call__", "SinkFactory.open"} <= calls
    assert sorted({f"{call}: {way}" for call in calls for way in WAYS} - matrix.done) == []


@pytest.mark.parametrize("case", IN_COMMANDS, ids=str)
def test_a_command_names_the_part_that_fails_it_and_ends(case, matrix):
    code, said = matrix.programs[case]
    assert "Traceback" not in said
    if case.moment == "hlmon_commands" or case.way in HARMLESS:
        assert code == 0
    else:
        assert code == 2
        assert re.search(
            r"\b(bad \(bad_\w+\)|\w+\.bad: ).*(out of order|did not return|not Need|not iterable|no attribute)", said
        )


@pytest.mark.parametrize("case", STOPPED, ids=str)
def test_a_monitor_stops_in_time_while_a_rule_hangs(case):
    assert case.trouble == ""
    assert case.log.count("stop") > 0


@pytest.mark.parametrize("case", MEMORIES, ids=str)
def test_a_memory_that_cannot_be_loaded_is_named(case):
    assert ("cannot read its saved memory" in case.log) == (case.way not in HARMLESS)


@pytest.mark.parametrize("case", SIDE_CALLS, ids=str)
def test_a_memory_that_cannot_be_saved_is_named(case):
    assert ("deriver rule.bad failed" in case.log) == (case.way not in HARMLESS)


@pytest.mark.parametrize("case", GOING_ON, ids=str)
def test_fills_are_stored_delivered_and_told_whatever_others_do(case):
    assert case.trouble == ""
    assert case.received == [case.trades] * 3


@pytest.mark.parametrize(
    ("case", "kind"),
    [(case, kind) for case in GOING_ON for kind in named_kinds(case)],
    ids=str,
)
def test_the_status_names_what_fails_and_says_why(case, kind):
    if case.way == "hangs":
        assert re.search(r"not return|has been running|blocks its event loop", case.named[kind])
    elif case.way == NONSENSE:
        assert re.search(r"Error", case.named[kind])
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


@pytest.mark.parametrize("case", CHECKING, ids=str)
def test_a_plugin_that_cannot_say_whether_its_config_is_right_is_a_warning(case):
    told = re.findall(r"hlmon\.toml:\d+: (\w+)\.bad: its plugin cannot say whether this is right: ", case.log)
    assert sorted(told) == ([] if case.way in HARMLESS else sorted(case.kinds))


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
