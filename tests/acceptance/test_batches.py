"""Files and batches, as the stock client sends them."""

import io
import json
import tracemalloc

import openai
import pytest
from PIL import Image

from himmel.errors import ApiError
from himmel.studio import batches
from himmel.studio.batches import _examined, advance_batches
from himmel.studio.files import find_file
from himmel.studio.gate import Gate


def line(number, **body):
    body = {"prompt": f"cat {number}", "seconds": "1", "size": "64x48"} | body
    return {"custom_id": f"line-{number}", "method": "POST", "url": "/v1/videos", "body": body}


def begin(client, lines):
    content = "\n".join(json.dumps(each) if isinstance(each, dict) else each for each in lines).encode()
    file = client.files.create(file=("lines.jsonl", content), purpose="batch")
    return client.batches.create(endpoint="/v1/videos", completion_window="24h", input_file_id=file.id)


def output(client, batch):
    text = client.files.content(batch.output_file_id).read().decode()
    return {row["custom_id"]: row for row in map(json.loads, text.splitlines())}


def until_over(running, client, batch):
    for _ in range(500):
        advance_batches(running.server)
        batch = client.batches.retrieve(batch.id)
        if batch.status in ("completed", "failed", "expired", "cancelled"):
            return batch
    raise AssertionError(f"the batch is still {batch.status}")


def test_a_batch_answers_every_line(running):
    client = running.client("batcher")
    batch = begin(client, [line(1), line(2, size="huge"), line(3), line(4, input_reference={"file_id": "file-0"})])
    assert (batch.status, batch.object) == ("in_progress", "batch")
    batch = until_over(running, client, batch)
    assert batch.status == "completed" and batch.completed_at
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (4, 2, 2)
    rows = output(client, batch)
    assert rows["line-1"]["response"]["body"]["status"] == "completed"
    refused = rows["line-2"]["response"]
    assert (refused["status_code"], refused["body"]["error"]["param"]) == (400, "size")
    assert rows["line-4"]["response"]["status_code"] == 404
    clip = client.videos.download_content(rows["line-3"]["response"]["body"]["id"]).read()
    assert clip[4:8] == b"ftyp"


def test_more_lines_than_are_fed_at_once(running, monkeypatch):
    monkeypatch.setattr("himmel.studio.batches.AT_ONCE", 2)
    client = running.client("long")
    batch = until_over(running, client, begin(client, [line(n) for n in range(7)]))
    assert [row["response"]["body"]["prompt"] for row in output(client, batch).values()] == [
        f"cat {n}" for n in range(7)
    ]


@pytest.mark.parametrize("forgotten", [False, True])
def test_a_file_is_read_on_from_where_it_was_left(own, working, monkeypatch, forgotten):
    """Not from its beginning for every few lines; only a server that was started since does that, once."""
    monkeypatch.setattr(batches, "AT_ONCE", 2)
    monkeypatch.setattr(batches, "FEED_SECONDS", 60.0)
    monkeypatch.setattr("himmel.studio.storage.CHUNK", 50)
    client, storage, begun = own.client("long"), own.server.storage, []
    lines = [json.dumps(line(n)) for n in range(6)]
    batch = begin(client, [*lines[:2], "", *lines[2:4], "   ", *lines[4:]])
    real = storage.chunks
    monkeypatch.setattr(storage, "chunks", lambda digest, start=0, end=None: begun.append(start) or real(digest, start))
    with working(own):
        while not begun:
            advance_batches(own.server)
        if forgotten:
            batches._reached.clear()
        done = until_over(own, client, batch)
    monkeypatch.undo()
    assert [row["response"]["body"]["prompt"] for row in output(client, done).values()] == [
        f"cat {n}" for n in range(6)
    ]
    assert begun.count(0) == (3 if forgotten else 2)  # the first look, and writing the answers
    fed = len(lines[0]) + len(lines[1]) + 2
    assert sorted(set(begun))[1] > fed if forgotten else sorted(set(begun))[1] == fed
    assert not batches._reached[own.server]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([""], "empty_file"),
        (["{"], "invalid_line"),
        ([line(1) | {"url": "/v1/other"}], "invalid_line"),
        ([line(1), line(1)], "duplicate_custom_id"),
    ],
)
def test_a_file_that_cannot_be_worked_through_fails_at_once(idle, lines, code):
    batch = begin(idle.client(), lines)
    assert (batch.status, batch.errors.data[0].code) == ("failed", code)


def test_a_file_has_its_limits(idle, refused, monkeypatch):
    client = idle.client()
    monkeypatch.setattr("himmel.studio.batches.MOST_LINES", 2)
    assert begin(client, [line(n) for n in range(2)]).status == "in_progress"
    batch = begin(client, [line(n) for n in range(3)])
    assert (batch.errors.data[0].code, batch.errors.data[0].line) == ("too_many_lines", 3)
    monkeypatch.setattr("himmel.studio.api_files.LARGEST", 1000)
    with idle.wire(client) as http:
        for size, status in ((500, 200), (1000, 413)):
            answer = http.post("/files", data={"purpose": "batch"}, files={"file": b"x" * size})
            assert answer.status_code == status
    refused(answer, 413)


def test_a_cancelled_batch_stops_all_clips_of_a_line(idle):
    client = idle.client("many")
    batch = begin(client, [line(1, n=3)])
    advance_batches(idle.server)
    made = list(client.videos.list())
    assert len(made) == 3
    client.batches.cancel(batch.id)
    assert {client.videos.retrieve(video.id).error.code for video in made} == {"cancelled"}


def test_a_batch_that_cannot_go_on_stops_no_other(idle, monkeypatch):
    broken, sound = idle.client("broken"), idle.client("sound")
    first, second = begin(broken, [line(1)]), begin(sound, [line(2)])
    real = idle.server.storage.lines

    def lines(digest, *where):
        if digest == lost:
            raise ApiError(500, "file_lost", "this file is missing")
        return real(digest, *where)

    lost = find_file(idle.server.database, account_of(idle, broken), first.input_file_id).digest
    monkeypatch.setattr(idle.server.storage, "lines", lines)
    advance_batches(idle.server)
    assert [video.prompt for video in sound.videos.list()] == ["cat 2"]
    ended = broken.batches.retrieve(first.id)
    assert (ended.status, ended.errors.data[0].code) == ("failed", "file_lost")
    sound.batches.cancel(second.id)


def test_a_line_whose_file_is_lost_fails_and_the_others_go_on(idle, monkeypatch):
    client, real = idle.client("one-lost"), batches.maker_of

    def lost(path):
        make = real(path)

        def made(server, caller, body, once):
            if body["prompt"] == "cat 1":
                raise ApiError(500, "file_lost", "this file is missing")
            return make(server, caller, body, once)

        return made

    batch = begin(client, [line(1), line(2)])
    monkeypatch.setattr(batches, "maker_of", lost)
    advance_batches(idle.server)
    assert [video.prompt for video in client.videos.list()] == ["cat 2"]
    assert client.batches.retrieve(batch.id).request_counts.failed == 1
    client.batches.cancel(batch.id)


def account_of(running, client):
    return running.server.keys.caller(f"Bearer {client.api_key}").account_id


def test_a_cancelled_batch_says_what_was_not_done(idle):
    client = idle.client("quitter")
    batch = begin(client, [line(n) for n in range(3)])
    batch = client.batches.cancel(batch.id)
    assert batch.status == "cancelled"
    assert {row["error"]["code"] for row in output(client, batch).values()} == {"batch_cancelled"}


def test_a_batch_runs_out_of_time(idle, monkeypatch):
    client = idle.client("late")
    batch = begin(client, [line(1)])
    now = idle.server.queue.now()
    monkeypatch.setattr(idle.server.queue, "now", lambda: now + 25 * 3600)
    batch = until_over(idle, client, batch)
    assert batch.status == "expired"
    assert output(client, batch)["line-1"]["error"]["code"] == "batch_expired"


def test_files_are_their_accounts_own(running):
    client, other = running.client("filer"), running.client("other-filer")
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(buffer, "PNG")
    file = client.files.create(file=("a.png", buffer.getvalue()), purpose="vision")
    assert (file.bytes, file.filename, file.status) == (len(buffer.getvalue()), "a.png", "processed")
    assert [each.id for each in client.files.list(purpose="vision")] == [file.id]
    assert list(other.files.list()) == []
    for call in (other.files.retrieve, other.files.content, other.files.delete):
        with pytest.raises(openai.NotFoundError):
            call(file.id)
    body = {"prompt": "a cat", "seconds": "1", "size": "64x48", "input_reference": {"file_id": file.id}}
    made = client.post("/videos", body=body, cast_to=object)
    with pytest.raises(openai.NotFoundError):
        other.post("/videos", body=body, cast_to=object)
    client.delete(f"/videos/{made['id']}", cast_to=object)
    assert client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)


def test_lists_of_files_and_batches_are_pages(idle):
    client = idle.client("archivist")
    made = [begin(client, [line(n), "{"]).id for n in range(5)]
    assert [batch.id for batch in client.batches.list(limit=2)] == made[::-1]
    names = [file.id for file in client.files.list(purpose="batch")]
    assert len(names) == 5
    assert [file.id for file in client.files.list(limit=2)] == names
    assert [file.id for file in client.files.list(limit=2, order="asc")] == names[::-1]
    for file in client.files.list(limit=2):  # the cursor is deleted before the next page is asked for
        client.files.delete(file.id)
    assert list(client.files.list()) == []
    assert list(idle.client("other-archivist").batches.list()) == []
    with pytest.raises(openai.BadRequestError, match="after"):
        client.batches.list(after="batch_0")


def test_a_file_is_kept_as_long_as_a_batch_needs_it_and_its_counts_for_good(idle):
    client = idle.client("tidy")
    batch = begin(client, [line(1), line(2)])
    with pytest.raises(openai.ConflictError, match="cancel it"):
        client.files.delete(batch.input_file_id)
    client.batches.cancel(batch.id)
    assert client.files.delete(batch.input_file_id).deleted
    assert client.batches.retrieve(batch.id).request_counts.total == 2


@pytest.mark.parametrize(
    ("field", "value"), [("endpoint", "/v1/responses"), ("completion_window", "1h"), ("input_file_id", None)]
)
def test_a_batch_that_we_cannot_do_is_refused_with_the_fields_name(idle, refused, field, value):
    client = idle.client()
    file = client.files.create(file=("lines.jsonl", b"{}"), purpose="batch")
    body = {"endpoint": "/v1/videos", "completion_window": "24h", "input_file_id": file.id} | {field: value}
    refused(idle.wire(client).post("/batches", json=body), 400, field)


def test_a_batch_needs_a_file_that_was_brought_for_one(idle):
    client = idle.client()
    picture = client.files.create(file=("a.png", b"x"), purpose="vision")
    for file_id, error in ((picture.id, openai.BadRequestError), ("file-0", openai.NotFoundError)):
        with pytest.raises(error):
            client.batches.create(endpoint="/v1/videos", completion_window="24h", input_file_id=file_id)


def test_answers_are_looked_up_together_and_none_is_missing(idle, monkeypatch):
    monkeypatch.setattr("himmel.studio.batches.AT_ONCE", 10)
    monkeypatch.setattr("himmel.studio.batches.FEED_SECONDS", 1000)
    monkeypatch.setattr("himmel.studio.batches.ANSWERED_TOGETHER", 4)
    client = idle.client("together")
    batch = begin(client, [line(n) for n in range(13)])
    advance_batches(idle.server)
    deleted = client.videos.list().data[0]
    client.videos.delete(deleted.id)
    looks, real = [], idle.server.all_shown
    monkeypatch.setattr(idle.server, "all_shown", lambda found: looks.append(len(found)) or real(found))
    batch = client.batches.cancel(batch.id)
    rows = output(client, batch)
    assert looks == [4, 4, 1, 0]
    assert list(rows) == [f"line-{n}" for n in range(13)]
    told = [row["response"] and row["response"]["body"]["prompt"] for row in rows.values()]
    assert told == [f"cat {n}" for n in range(9)] + [None] * 4
    codes = [row["error"] and row["error"]["code"] for row in rows.values()]
    assert codes == [None] * 9 + ["video_deleted"] + ["batch_cancelled"] * 3


def test_a_large_file_is_read_in_little_memory(idle, monkeypatch):
    monkeypatch.setattr("himmel.studio.storage.CHUNK", 1 << 16)
    client = idle.client("large")
    content = "\n".join(json.dumps(line(f"{n:0500}")) for n in range(3000)).encode()  # 2 MB, of which 1.5 are names
    file = client.files.create(file=("lines.jsonl", content), purpose="batch")
    found = find_file(idle.server.database, account_of(idle, client), file.id)
    tracemalloc.start()
    assert _examined(idle.server, found) == (3000, None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_only_some_files_are_read_at_a_time(idle, refused, monkeypatch):
    monkeypatch.setattr("himmel.studio.batches.EXAMINED", Gate("too many files of batches are read already", 1))
    client = idle.client("second")
    file = client.files.create(file=("lines.jsonl", json.dumps(line(1)).encode()), purpose="batch")
    body = {"endpoint": "/v1/videos", "completion_window": "24h", "input_file_id": file.id}
    leave = batches.EXAMINED.enter()
    answer = idle.wire(client).post("/batches", json=body)
    assert refused(answer, 503)["code"] == "busy" and answer.headers["retry-after"]
    leave()
    made = idle.wire(client).post("/batches", json=body)
    assert made.status_code == 200
    client.batches.cancel(made.json()["id"])


def test_who_cancels_does_not_wait_for_other_batches(idle):
    client = idle.client("patient")
    batch = begin(client, [line(1)])
    with batches._turn(idle.server):
        assert client.batches.cancel(batch.id).status == "cancelling"
    advance_batches(idle.server)
    assert client.batches.retrieve(batch.id).status == "cancelled"


def test_a_batch_that_somebody_else_ended_meanwhile_is_not_worked_on_again(idle, monkeypatch):
    client, real = idle.client("overtaken"), batches._turn

    def late(server, *, wait=True):
        if not wait:
            advance_batches(server)  # the helper was quicker
        return real(server, wait=wait)

    batch = begin(client, [line(1), line(2)])
    monkeypatch.setattr(batches, "_turn", late)
    assert client.batches.cancel(batch.id).status == "cancelled"
    assert list(client.videos.list()) == []
