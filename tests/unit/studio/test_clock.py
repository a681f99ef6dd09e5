"""A machine's clock that is set while jobs run: nothing that is counted from it may notice."""

from contextlib import contextmanager

import pytest

from himmel.studio.auth import Keys
from himmel.studio.clock import Clock
from himmel.studio.database import Database
from himmel.studio.jobs import Status, find
from himmel.studio.places import Places
from himmel.studio.queue import Queue
from himmel.studio.tables import deliveries, webhook_endpoints

HOUR = 3600.0
LEASE = 30.0


class House:
    """A queue on a clock whose hands the test moves: ``pass_by`` is time, ``turn`` is somebody setting the clock."""

    def __init__(self, folder):
        self.wall, self.steady = 1_000_000.0, 50.0
        self.clock = Clock(lambda: self.wall, lambda: self.steady)
        self.database = Database(f"sqlite:///{folder / 'test.sqlite3'}")
        self.database.migrate()
        keys = Keys(self.database, folder)
        self.account_id = keys.caller(f"Bearer {keys.create('anna')}").account_id
        self.queue = Queue(self.database, LEASE, 100, self.clock.now)

    def pass_by(self, seconds):
        self.wall += seconds
        self.steady += seconds

    def turn(self, seconds):
        self.wall += seconds
        return self.clock.follow(self.database)

    def accept(self, **more):
        return self.queue.accept(self.account_id, [{"prompt": "a cat"}], 10.0, **more)

    def look(self, job):
        with self.database.read() as connection:
            return find(connection, job.id)


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path)
    yield house
    house.database.close()


def test_a_clock_that_nobody_sets_is_left_alone(house):
    house.pass_by(1000)
    assert house.turn(0.4) == 0.0
    assert house.clock.now() == 1_001_000.0


@pytest.mark.parametrize("step", [-HOUR, HOUR])
def test_a_lease_is_as_long_as_it_was(house, step):
    job = house.accept()
    house.queue.claim("w")
    house.pass_by(10)
    assert house.turn(step) == step
    house.pass_by(LEASE - 11)
    assert house.queue.claim("other") is None
    house.pass_by(2)
    assert house.queue.claim("other").id == job.id


@pytest.mark.parametrize("step", [-HOUR, HOUR])
def test_a_job_costs_what_it_took(house, step):
    job = house.accept()
    house.queue.claim("w")
    house.pass_by(4)
    house.turn(step)
    with house.database.read() as connection:
        [place] = Places(house.clock.now, 0).of(connection, [house.look(job)], workers=1)
    assert place.seconds == pytest.approx((3.0, 12.0))
    house.pass_by(3)
    assert house.queue.finish(job.id, 1, {"video": "x"}, {})
    assert house.look(job).cost == pytest.approx(7)


@pytest.mark.parametrize("step", [-HOUR, HOUR])
def test_between_the_step_and_its_notice_nothing_is_odd(house, step):
    job = house.accept()
    house.queue.claim("w")
    house.wall += step
    house.pass_by(5)
    assert house.queue.beat(job.id, 1, 10)
    house.queue.take_back()
    assert house.look(job).status == Status.IN_PROGRESS
    assert house.queue.finish(job.id, 1, {"video": "x"}, {})
    assert house.look(job).cost == pytest.approx(5)


def test_what_people_read_follows_the_clock_and_the_order_does_not(house):
    before = house.accept(once=("key", "digest"))
    house.turn(-HOUR)
    after = house.accept()
    assert after.created_at == before.created_at - HOUR
    assert house.accept(once=("key", "digest")).id == before.id
    assert [house.queue.claim("w").id for _ in range(2)] == [before.id, after.id]


@pytest.mark.parametrize("step", [-HOUR, HOUR])
def test_webhooks_are_due_when_they_were(house, step):
    with house.database.write() as connection:
        names = {"id": "we_1", "account_id": house.account_id, "name": "n", "url": "https://a.b", "secret": "s"}
        values = {**names, "event_types": ["video.completed"], "created_at": 0.0, "updated_at": 0.0}
        connection.execute(webhook_endpoints.insert().values(**values))
    job = house.accept()
    house.queue.claim("w")
    house.queue.finish(job.id, 1, {"video": "x"}, {})
    house.pass_by(2)
    house.turn(step)
    with house.database.read() as connection:
        [due] = connection.scalars(deliveries.select().with_only_columns(deliveries.c.next_at))
    assert house.clock.now() - due == pytest.approx(2)


def test_a_step_that_cannot_be_kept_is_taken_another_time(house, monkeypatch):
    write = house.database.write

    @contextmanager
    def full():
        with write() as connection:
            yield connection
            raise OSError("full")

    monkeypatch.setattr(house.database, "write", full)
    with pytest.raises(OSError, match="full"):
        house.turn(HOUR)
    assert house.clock.now() == 1_000_000.0
    monkeypatch.undo()
    assert house.turn(0) == HOUR
