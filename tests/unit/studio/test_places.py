"""Where jobs stand: the same in one look as one by one, and in the order in which the queue gives them out."""

import pytest
from sqlalchemy import update

from himmel.studio.auth import Keys
from himmel.studio.database import Database
from himmel.studio.places import Places
from himmel.studio.queue import Queue
from himmel.studio.tables import accounts


class House:
    """A queue that stands still, with accounts by name."""

    def __init__(self, folder):
        self.database = Database(f"sqlite:///{folder / 'test.sqlite3'}")
        self.database.migrate()
        keys = Keys(self.database, folder)
        names = ("anna", "boris", "clara")
        self.accounts = {name: keys.caller(f"Bearer {keys.create(name)}").account_id for name in names}
        self.time = 1000.0
        self.queue = Queue(self.database, 1e9, 100, now=lambda: self.time)
        self.places = Places(now=lambda: self.time, seconds=0)

    def accept(self, name, cost=10.0, **more):
        return self.queue.accept(self.accounts[name], [{"prompt": "a cat"}], cost, **more)

    def look(self, jobs, places=None, workers=1):
        with self.database.read() as connection:
            return (places or self.places).of(connection, jobs, workers)

    def work(self):
        job = self.queue.claim("w")
        self.time += job.cost
        assert self.queue.finish(job.id, job.attempts, {"video": "x"}, {})
        return job


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path)
    yield house
    house.database.close()


@pytest.fixture
def waiting(house):
    """Jobs of three accounts, of which one counts twice, with priorities."""
    with house.database.write() as connection:
        connection.execute(update(accounts).where(accounts.c.name == "clara").values(weight=2.0))
    made = [house.accept("anna", priority=number % 2) for number in range(6)]
    made += [house.accept("boris", cost=20.0) for _ in range(3)]
    return made + [house.accept("clara") for _ in range(4)]


def test_one_look_says_what_many_say(house, waiting):
    assert house.look(waiting) == [house.look([job])[0] for job in waiting]
    assert house.look([]) == []


def test_places_come_true(house, waiting):
    told = {job.id: place.ahead for job, place in zip(waiting, house.look(waiting), strict=True)}
    begun, order = house.time, []
    while len(order) < len(waiting):
        order.append(house.work().id)
    # Accounts that are level may go either way, so a place is right within one job of each of the others.
    assert all(abs(told[job] - number) <= 2 for number, job in enumerate(order)), (told, order)
    assert house.time - begun == sum(job.cost for job in waiting)


def test_the_wait_is_shared_by_the_workers(house, waiting):
    last = waiting[-1]
    [[alone], [shared]] = [house.look([last], workers=workers) for workers in (1, 4)]
    wait = (alone.seconds[1] / 2 - last.cost, shared.seconds[1] / 2 - last.cost)
    assert alone.ahead == shared.ahead and wait[0] == pytest.approx(4 * wait[1])
    assert alone.seconds[0] < alone.seconds[1]


def test_of_a_running_job_is_told_what_is_left_and_of_one_that_is_over_nothing(house):
    first, second = house.accept("anna"), house.accept("anna")
    house.work()
    running = house.queue.claim("w")
    assert running.id == second.id
    house.time += 4
    over = house.queue.cancel(first.id, house.accounts["anna"])
    assert [place and place.seconds for place in house.look([over, running])] == [None, (3.0, 12.0)]


def test_others_may_be_a_little_old_and_the_own_line_never_is(house):
    places = Places(now=lambda: house.time, seconds=1000)
    mine = house.accept("anna")
    assert house.look([mine], places)[0].ahead == 0
    for _ in range(3):
        house.accept("boris")
    second = house.accept("anna")
    assert house.look([second], places)[0].ahead == 1
    assert house.look([second])[0].ahead == 2
