"""Log lines for people and for programs, and counters."""

from __future__ import annotations

import io
import json
import logging
import time

import pytest

from hlmon.telemetry import configure_logging

pytestmark = pytest.mark.usefixtures("logging_as_it_was")
LOG = logging.getLogger("hlmon.test")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no")


def lines(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def configured(level: str | int = "INFO", **options) -> io.StringIO:
    stream = io.StringIO()
    configure_logging(level, stream=stream, **options)
    return stream


def logged_at(created: float, message: str, *, as_json: bool, level: int = logging.INFO, **extra) -> str:
    stream = configured(json=as_json)
    record = LOG.makeRecord("hlmon.feed", level, __file__, 1, message, (), None, extra=extra)
    record.created, record.msecs = created, 7.9
    LOG.handle(record)
    return stream.getvalue()


@pytest.fixture
def far_east(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_east")
def test_a_line_for_programs_is_one_json_object_with_utc_time_and_the_extra_fields():
    line = logged_at(1_700_000_000, "2 fills\nstored", as_json=True, account="0xa1", numbers={"fills": 2})
    assert line.count("\n") == 1
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.007Z",
        "level": "info",
        "logger": "hlmon.feed",
        "message": "2 fills\nstored",
        "account": "0xa1",
        "numbers": {"fills": 2},
    }


def test_a_line_for_people_is_short():
    line = logged_at(1_700_000_000, "socket closed", as_json=False, level=logging.WARNING, reason="1006")
    assert line == "22:13:20Z warning  socket closed  reason=1006\n"


def test_a_line_for_people_stays_one_line_whatever_the_text_holds():
    line = logged_at(1_700_000_000, "said\n\x1b[2Jnothing", as_json=False, text="a\rb")
    assert line == "22:13:20Z info     said  [2Jnothing  text=a b\n"


def test_only_a_terminal_gets_lines_for_people_unless_told():
    terminal = Terminal()
    configure_logging(stream=terminal)
    LOG.info("hello")
    assert terminal.getvalue().endswith("Z info     hello\n")
    file = configured()
    LOG.info("hello")
    assert lines(file)[0]["message"] == "hello"
    forced = Terminal()
    configure_logging(json=True, stream=forced)
    LOG.info("hello")
    assert lines(forced)[0]["message"] == "hello"


def test_configuring_again_replaces_what_was_set_up_and_leaves_other_handlers():
    other = logging.NullHandler()
    logging.getLogger().addHandler(other)
    first, second = configured(), configured()
    LOG.info("once")
    assert first.getvalue() == ""
    assert len(lines(second)) == 1
    assert other in logging.getLogger().handlers


def test_other_libraries_are_heard_from_warning_on_and_in_debug_always():
    stream = configured("info")
    for name in ("hlmon", "hlmon.feed", "hlmon_sim.server", "urllib3"):
        logging.getLogger(name).info("quiet")
        logging.getLogger(name).warning("loud")
    assert [line["logger"] for line in lines(stream) if line["message"] == "quiet"] == [
        "hlmon",
        "hlmon.feed",
        "hlmon_sim.server",
    ]
    assert [line["logger"] for line in lines(stream) if line["message"] == "loud"][-1] == "urllib3"
    stream = configured("DEBUG")
    logging.getLogger("urllib3").debug("detail")
    assert [line["message"] for line in lines(stream)] == ["detail"]


def test_an_unknown_level_is_an_error():
    with pytest.raises(ValueError, match="LOUD"):
        configured("loud")


def test_a_traceback_is_kept():
    for as_json in (True, False):
        stream = configured(json=as_json)
        try:
            raise ValueError("broken")
        except ValueError:
            LOG.exception("failed")
        assert "ValueError: broken" in stream.getvalue()
    assert stream.getvalue().startswith(stream.getvalue().partition("Traceback")[0])


def test_an_extra_field_never_overwrites_what_every_line_has():
    stream = configured()
    LOG.info("text", extra={"level": "mine", "time": "noon", "logger": "me"})
    (line,) = lines(stream)
    assert (line["level"], line["level_"], line["time_"], line["logger_"]) == ("info", "mine", "noon", "me")


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize(
    "value",
    [Unspeakable(), {("a", 1): 2}, "\ud800", {Unspeakable(): 1}, float("nan"), b"\xff", object(), 2**70, [set()]],
)
def test_whatever_is_logged_a_line_comes_out(as_json, value):
    stream = configured(json=as_json)
    handler = logging.getLogger().handlers[-1]
    for message, arguments, extra in [
        ("extra", (), {"value": value}),
        ("argument %s", (value,), {}),
        ("more", (3,), {}),
    ]:
        handler.handle(LOG.makeRecord("hlmon", logging.INFO, __file__, 1, message, arguments, None, extra=extra))
    assert len(stream.getvalue().splitlines()) == 3
    if as_json:
        assert [line["message"].split()[0] for line in lines(stream)] == ["extra", "argument", "more"]


def test_a_stream_that_cannot_be_written_stops_nothing(capsys):
    stream = configured()
    stream.close()
    LOG.info("lost")
    assert capsys.readouterr().err == ""
