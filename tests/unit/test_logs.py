"""Lines of the log: what is in them, and what never is."""

import asyncio
import io
import json
import logging
import threading

import pytest
from starlette.concurrency import run_in_threadpool

from himmel import logs
from himmel.errors import BadRequest


@pytest.fixture
def lines():
    """A logger, and what it has written as JSON."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.Json())
    log = logging.Logger("himmel.test")
    log.addHandler(handler)
    return log, lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_tells_when_what_and_about_what(lines):
    log, written = lines
    with logs.about(request_id="req_1"):
        log.info("done %d", 3, extra={"seconds": 1.23456, "status": 0, "worker": None})
    log.warning("outside")
    first, second = written()
    assert first.pop("time").endswith("+00:00")
    told = {"level": "info", "logger": "himmel.test", "message": "done 3", "request_id": "req_1"}
    assert first == told | {"seconds": 1.235, "status": 0}
    assert "request_id" not in second


def test_what_lines_are_about_goes_to_threads_and_comes_back(lines):
    log, written = lines

    def in_thread():
        log.info("in a thread")
        logs.note(account_id="acct_1")
        return threading.get_ident()

    async def work():
        with logs.about(request_id="req_1"):
            other = await run_in_threadpool(in_thread)
            log.info("after it")
            return other

    assert asyncio.run(work()) != threading.get_ident()
    inside, after = written()
    assert inside["request_id"] == after["request_id"] == "req_1"
    assert after["account_id"] == "acct_1"


def test_two_requests_at_once_do_not_mix(lines):
    log, written = lines

    async def request(number):
        with logs.about(request_id=number):
            await asyncio.sleep(0)
            await run_in_threadpool(lambda: logs.note(account_id=f"of {number}"))
            log.info("done")

    async def both():
        await asyncio.gather(request("a"), request("b"))

    asyncio.run(both())
    assert {(line["request_id"], line["account_id"]) for line in written()} == {("a", "of a"), ("b", "of b")}


def test_what_is_known_outside_is_told_inside_and_not_the_other_way_round():
    with logs.about(request_id="req_1"):
        with logs.about(job_id="video_1"):
            logs.note(worker="w")
            assert logs.known() == {"request_id": "req_1", "job_id": "video_1", "worker": "w"}
        assert logs.known() == {"request_id": "req_1"}


def test_outside_of_a_request_a_note_is_nobodys():
    logs.note(account_id="acct_1")
    assert logs.known() == {}


def test_an_error_is_told_by_kind_and_place_and_not_by_its_text(lines):
    log, written = lines
    try:
        try:
            raise KeyError("a secret prompt")
        except KeyError as error:
            raise ValueError("a secret cat") from error
    except ValueError:
        log.exception("a fault")
    [line] = written()
    assert [error["kind"] for error in line["errors"]] == ["ValueError", "KeyError"]
    assert __file__ in line["errors"][0]["at"][0]
    assert "secret" not in json.dumps(line)


def test_at_debug_the_text_of_an_error_is_told_too():
    record = logging.makeLogRecord({"msg": "a fault", "exc_info": (ValueError, ValueError("why"), None)})
    assert json.loads(logs.Json(whole=True).format(record))["errors"] == [
        {"kind": "ValueError", "at": [], "text": "why"}
    ]


def test_for_people_a_line_is_a_line():
    record = logging.makeLogRecord({"msg": "two\nlines", "levelname": "INFO", "job_id": "video_1"})
    assert logs.Text().format(record).split(maxsplit=1)[1] == "info    two lines job_id=video_1"


@pytest.fixture
def untouched():
    """Loggers as they were before."""
    root, own = logging.getLogger(), [logging.getLogger(name) for name in ("himmel", "uvicorn")]
    handlers, levels = list(root.handlers), [log.level for log in (root, *own)]
    yield
    root.handlers[:] = handlers
    for log, level in zip((root, *own), levels, strict=True):
        log.setLevel(level)


@pytest.mark.parametrize(("form", "kind"), [("text", logs.Text), ("json", logs.Json), ("auto", logs.Json)])
def test_lines_go_to_standard_error_in_the_form_that_is_set(untouched, capsys, form, kind):
    logs.configure(form, "debug")
    [handler] = logging.getLogger().handlers
    assert type(handler.formatter) is kind
    logging.getLogger("himmel.x").debug("heard")
    logging.getLogger("httpx2").info("a library's detail with an address")
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("wrong", [("xml", "info"), ("json", "loud")])
def test_what_the_log_cannot_be_is_refused(wrong):
    with pytest.raises(BadRequest, match="allowed: "):
        logs.configure(*wrong)
