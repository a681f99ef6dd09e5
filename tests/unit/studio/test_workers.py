"""Who works for the server: what it knows of them, and what knowing costs."""

import pytest
from sqlalchemy import event

from himmel.studio.auth import Keys
from himmel.studio.database import Database
from himmel.studio.queue import Queue
from himmel.studio.workers import FORGET_SECONDS, WRITE_SECONDS, Report, State, Workers


class House:
    """A queue and its workers, with one clock."""

    def __init__(self, folder):
        self.database = Database(f"sqlite:///{folder / 'test.sqlite3'}")
        self.database.migrate()
        keys = Keys(self.database, folder)
        self.account = keys.caller(f"Bearer {keys.create('anna')}").account_id
        self.time = 1000.0
        self.queue = Queue(self.database, 30, 10, now=lambda: self.time)
        self.workers = Workers(self.database, 30, now=lambda: self.time)
        self.commits = 0
        event.listen(self.database.engine, "before_cursor_execute", self._count)

    def _count(self, _connection, _cursor, statement, *_):
        self.commits += statement.startswith("BEGIN IMMEDIATE")

    def accept(self):
        return self.queue.accept(self.account, [{"prompt": "a cat"}], 10.0)

    def look(self, name="w"):
        [row] = [row for row in self.workers.all() if row.name == name]
        return self.workers.state(row), row


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path)
    yield house
    house.database.close()


def test_what_a_worker_says_of_itself_is_kept(house):
    house.workers.report(Report("w", "papercut", "1.0", "cuda"))
    house.time += 100
    house.workers.report(Report("w", "other", "1.1", "cpu"))
    state, row = house.look()
    assert (state, row.model, row.version, row.device) == (State.IDLE, "other", "1.1", "cpu")
    assert (row.first_seen, row.last_seen) == (1000, 1100)


def test_what_is_new_of_a_worker_is_kept_at_once_and_its_weights_are_those_of_now(house):
    def weights():
        with house.database.read() as connection:
            return house.workers.weights(connection)

    assert weights() == set()
    house.workers.report(Report("w", weights="aa"))
    house.workers.report(Report("w", weights="bb"))
    assert weights() == {"bb"} and house.commits == 2
    house.time += 30
    house.workers.report(Report("v", weights="cc"))
    assert weights() == {"bb", "cc"}
    house.time += WRITE_SECONDS
    assert weights() == {"cc"}
    house.time += 1000
    assert weights() == {"cc"}  # nobody is there; who comes next is taken to be as who went last


def test_what_workers_say_of_turbo_is_known_while_they_are_busy_and_only_where_all_said_it(house):
    house.workers.report(Report("w", "papercut", turbo_steps=(1, 2)))
    assert (house.workers.turbo_steps("papercut"), house.workers.turbo_steps("other")) == ([(1, 2)], None)
    for _ in range(10):  # it has a job and says no more than that it is alive
        house.time += WRITE_SECONDS
        house.workers.alive("w")
        house.workers.report(Report("v", "other", turbo_steps=()))
    assert (house.workers.turbo_steps("papercut"), house.workers.turbo_steps("other")) == ([(1, 2)], [()])
    house.workers.report(Report("w", "papercut", turbo_steps=(4,)))
    assert house.workers.turbo_steps("papercut") == [(4,)]
    house.workers.report(Report("old", "papercut"))
    assert house.workers.turbo_steps("papercut") is None


def test_asking_in_vain_writes_every_few_seconds_only(house):
    for _ in range(50):
        house.workers.report(Report("w"))
        house.workers.alive("w")
    assert house.commits == 1
    house.time += WRITE_SECONDS
    for _ in range(50):
        house.workers.report(Report("w"))
    assert house.commits == 2


def test_a_worker_is_busy_with_its_job_until_it_ends(house):
    house.workers.report(Report("w"))
    for end, counts in ((house.queue.finish, (1, 0)), (house.queue.fail, (1, 1))):
        house.accept()
        job = house.queue.claim("w")
        assert house.look()[0] == State.BUSY and house.look()[1].job_id == job.id
        assert end(job.id, job.attempts, *(({}, {}) if end == house.queue.finish else ("code", "why")))
        state, row = house.look()
        assert (state, row.job_id, (row.jobs_done, row.jobs_failed)) == (State.IDLE, None, counts)


def test_a_cancelled_job_is_nobodys_failure(house):
    house.workers.report(Report("w"))
    house.accept()
    job = house.queue.claim("w")
    house.queue.cancel(job.id, house.account)
    state, row = house.look()
    assert (state, row.jobs_done, row.jobs_failed) == (State.IDLE, 0, 0)


def test_a_silent_worker_is_gone_and_its_job_with_it(house):
    house.workers.report(Report("w"))
    house.accept()
    house.queue.claim("w")
    house.time += 30 + WRITE_SECONDS
    assert house.look()[0] == State.BUSY  # heard may have been written down late
    house.time += 1
    assert house.look()[0] == State.GONE
    house.queue.take_back()
    assert house.look()[1].job_id is None
    house.workers.alive("w")
    assert house.look()[0] == State.IDLE


def test_who_was_not_heard_for_long_is_forgotten(house):
    house.workers.report(Report("old"))
    house.time += FORGET_SECONDS + 1
    house.workers.report(Report("new"))
    assert [row.name for row in house.workers.all()] == ["new"]
