"""The queue's promises: nothing accepted is lost, nothing is published twice, nobody waits behind a flood."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from himmel.errors import ApiError
from himmel.studio import jobs
from himmel.studio.auth import Keys
from himmel.studio.database import Database
from himmel.studio.jobs import MOVES, Status
from himmel.studio.places import Places
from himmel.studio.queue import Queue
from himmel.studio.tables import accounts, audit


class House:
    """A queue with a clock of its own, and accounts by name."""

    def __init__(self, database, folder):
        self.database = database
        self.keys = Keys(self.database, folder)
        self.time = 1000.0
        self.queue = Queue(self.database, lease_seconds=30, most_queued=6, now=lambda: self.time)
        self.places = Places(now=lambda: self.time, seconds=0)
        self.accounts = {}

    def account(self, name):
        if name not in self.accounts:
            self.accounts[name] = self.keys.caller(f"Bearer {self.keys.create(name)}").account_id
        return self.accounts[name]

    def accept(self, name="anna", cost=10.0, **more):
        return self.queue.accept(self.account(name), [{"prompt": "a cat"}], cost, **more)

    def look(self, job):
        with self.database.read() as connection:
            return jobs.find(connection, job.id)

    def work(self, seconds=10.0):
        """Do the next job; gives it."""
        job = self.queue.claim("worker")
        self.time += seconds
        assert self.queue.finish(job.id, job.attempts, {"video": "x"}, {})
        return job


@pytest.fixture
def house(database, tmp_path):
    return House(database, tmp_path)


def test_a_job_goes_its_way(house):
    job = house.accept()
    assert (job.status, house.queue.claim("w").id) == (Status.QUEUED, job.id)
    running = house.look(job)
    assert (running.status, running.worker, running.attempts) == (Status.IN_PROGRESS, "w", 1)
    assert house.queue.beat(job.id, 1, 40)
    assert house.look(job).progress == 40
    house.time += 12
    assert house.queue.finish(job.id, 1, {"video": "abc"}, {"native_size": "64x64"})
    done = house.look(job)
    assert (done.status, done.progress, done.results, done.cost) == (Status.COMPLETED, 100, {"video": "abc"}, 12)
    assert house.queue.claim("w") is None


def test_accepted_jobs_survive_a_new_start(house, database_url):
    job = house.accept()
    house.database.close()
    again = Database(database_url)
    again.migrate()
    assert Queue(again, 30, 6).claim("w").id == job.id
    again.close()


def test_a_silent_worker_loses_its_job_and_is_refused_when_it_wakes(house):
    job = house.accept()
    sleeper = house.queue.claim("sleeper")
    house.time += 31
    taken = house.queue.claim("other")
    assert (taken.id, taken.attempts) == (job.id, 2)
    assert not house.queue.beat(job.id, sleeper.attempts, 50)
    assert not house.queue.finish(job.id, sleeper.attempts, {"video": "old"}, {})
    assert not house.queue.fail(job.id, sleeper.attempts, "x", "y")
    assert house.queue.finish(job.id, taken.attempts, {"video": "new"}, {})
    assert house.look(job).results == {"video": "new"}
    assert not house.queue.finish(job.id, taken.attempts, {"video": "twice"}, {})


def test_the_next_worker_finds_what_the_last_one_left(house):
    job = house.accept()
    house.queue.claim("w")
    assert house.queue.keep_state(job.id, 1, "d" * 64)
    assert house.queue.beat(job.id, 1, 30, b"a picture")
    assert house.queue.beat(job.id, 1, 40, b"a later one")
    with house.database.read() as connection:
        assert jobs.preview_of(connection, job.id) == b"a later one"
    house.time += 31
    assert house.queue.claim("other").state_digest == "d" * 64
    assert not house.queue.keep_state(job.id, 1, "e" * 64)
    assert house.queue.finish(job.id, 2, {}, {})
    assert house.look(job).state_digest is None
    with house.database.read() as connection:
        assert jobs.preview_of(connection, job.id) is None


def test_a_pause_of_the_server_costs_no_worker_its_job(house):
    job = house.accept()
    house.queue.claim("w")
    house.time += 1000  # the server was away
    house.queue.spare()
    house.queue.take_back()
    assert house.queue.beat(job.id, 1, 50)
    assert house.queue.finish(job.id, 1, {"video": "x"}, {})


def test_a_worker_that_was_told_to_end_costs_its_job_nothing(house):
    job = house.accept()
    for attempt in range(1, 6):
        assert house.queue.claim("w").attempts == attempt
        house.queue.release("w", silent=False)
    assert (house.look(job).status, house.look(job).lost) == (Status.QUEUED, 0)
    assert not house.queue.finish(job.id, 5, {}, {})


def test_a_worker_that_died_gives_its_job_back_at_once_and_the_second_time_for_good(house):
    job, other = house.accept(), house.accept()
    house.queue.claim("first")
    house.queue.claim("another")
    house.queue.release("first", silent=True)
    assert house.queue.claim("second").id == job.id
    house.queue.release("second", silent=True)
    assert (house.look(job).status, house.look(job).error_code) == (Status.FAILED, "worker_lost")
    assert house.look(other).status == Status.IN_PROGRESS


def test_beats_keep_a_lease(house):
    job = house.accept()
    house.queue.claim("w")
    for _ in range(5):
        house.time += 25
        assert house.queue.beat(job.id, 1, 10)
    assert house.queue.claim("other") is None


def test_a_job_that_kills_its_workers_is_not_tried_for_ever(house):
    job = house.accept()
    for _ in range(2):
        assert house.queue.claim("w").id == job.id
        house.time += 31
    assert house.queue.claim("w") is None
    assert (house.look(job).status, house.look(job).error_code) == (Status.FAILED, "worker_lost")


@pytest.mark.parametrize("claimed", [False, True])
def test_cancelling_ends_a_job_wherever_it_is(house, claimed):
    job = house.accept()
    if claimed:
        house.queue.claim("w")
    ended = house.queue.cancel(job.id, house.account("anna"))
    assert (ended.status, ended.error_code) == (Status.FAILED, "cancelled")
    assert not house.queue.beat(job.id, 1, 10)
    assert house.queue.claim("w") is None
    assert house.queue.cancel(job.id, house.account("anna")).error_code == "cancelled"
    assert house.queue.cancel(job.id, house.account("boris")) is None


def test_a_finished_job_stays_finished_when_it_is_cancelled(house):
    job = house.accept()
    house.work()
    assert house.queue.cancel(job.id, house.account("anna")).status == Status.COMPLETED


def test_a_newcomer_waits_for_no_flood(house):
    flood = [house.accept("anna") for _ in range(6)]
    house.work()
    newcomer = house.accept("boris")
    with house.database.read() as connection:
        [place] = house.places.of(connection, [newcomer], workers=1)
    assert place.ahead <= 1
    order = [house.work().id for _ in range(3)]
    assert newcomer.id in order[:2]
    assert flood[1].id in order[:2]


def test_who_costs_more_is_served_less(house):
    for _ in range(6):
        house.accept("anna", cost=30.0)
        house.accept("boris", cost=10.0)
    served = [house.work(seconds=30 if job_of(house) == "anna" else 10) for _ in range(8)]
    names = [next(n for n, a in house.accounts.items() if a == job.account_id) for job in served]
    assert 5 <= names.count("boris") <= 6


def job_of(house):
    """Whose turn is next, by what they were served."""
    with house.database.read() as connection:
        rows = connection.exec_driver_sql("select id from accounts where queued > 0 order by served, id limit 1")
        account = rows.scalar()
    return next(name for name, number in house.accounts.items() if number == account)


def test_idling_saves_nothing_up(house):
    house.account("boris")
    for _ in range(6):
        house.accept("anna")
    for _ in range(4):
        house.work(seconds=100)
    for _ in range(3):
        house.accept("boris")
    owners = [house.work(seconds=10).account_id for _ in range(4)]
    assert owners.count(house.account("anna")) >= 1


def test_priority_counts_within_an_account_only(house):
    house.accept("anna")
    urgent = house.accept("anna", priority=5)
    other = house.accept("boris")
    assert {house.queue.claim("w").id for _ in range(2)} == {urgent.id, other.id}


def test_too_many_waiting_jobs_are_refused_with_a_time(house):
    for _ in range(6):
        house.accept()
    with pytest.raises(ApiError) as refused:
        house.accept()
    assert (refused.value.status, refused.value.retry_after) == (429, 60)
    assert house.accept("boris").status == Status.QUEUED


def test_the_same_key_with_the_same_body_is_the_same_job(house):
    first = house.accept(once=("key", "digest"))
    assert house.accept(once=("key", "digest")).id == first.id
    assert house.accept("boris", once=("key", "digest")).id != first.id
    with pytest.raises(ApiError, match="another body"):
        house.accept(once=("key", "other"))


def test_counts_agree_with_the_jobs_whatever_happened(house):
    made = [house.accept(name) for name in ("anna", "anna", "anna", "boris", "boris")]
    house.work()
    house.queue.claim("w")
    house.queue.cancel(made[2].id, house.account("anna"))
    house.time += 31
    house.queue.take_back()
    with house.database.read() as connection:
        counted = dict(connection.exec_driver_sql("select id, queued from accounts").all())
        waiting = dict(
            connection.exec_driver_sql(
                "select account_id, count(*) from jobs where status = 'queued' group by account_id"
            ).all()
        )
    assert {k: v for k, v in counted.items() if v} == waiting


def test_no_move_leads_out_of_an_end_but_trying_a_failed_job_again(house):
    leading = {status: following for status, following in MOVES.items() if status in jobs.FINAL and following}
    assert leading == {Status.FAILED: {Status.QUEUED}}
    job = house.accept()
    house.work()
    with house.database.write() as connection, pytest.raises(ValueError, match="cannot become"):
        jobs.move(connection, jobs.find(connection, job.id), Status.QUEUED)


def served(house, name="anna"):
    with house.database.read() as connection:
        account = select(accounts).where(accounts.c.id == house.account(name))
        row = connection.execute(account).one()
        return row.served, row.queued, row.queued_cost


def fail(house, seconds=7.0):
    """Have the next job fail; gives it."""
    job = house.queue.claim("w")
    house.time += seconds
    assert house.queue.fail(job.id, job.attempts, "worker_fault", "no")
    return job


def test_a_failed_job_that_is_tried_again_is_charged_for_its_last_attempt_alone(house):
    job = house.accept(cost=10.0)
    first = fail(house)
    assert served(house) == (7, 0, 0)
    assert house.queue.retry(job.id, 12.0).status == Status.QUEUED
    waiting = house.look(job)
    assert (waiting.error_code, waiting.error_message, waiting.completed_at, waiting.lost) == (None, None, None, 0)
    assert served(house)[1:] == (1, 12.0)
    assert house.work(seconds=5.0).attempts == 2
    assert not house.queue.finish(job.id, first.attempts, {"video": "late"}, {})
    assert (house.look(job).status, house.look(job).cost) == (Status.COMPLETED, 5)
    with house.database.read() as connection:
        [(who, details)] = connection.execute(
            select(audit.c.subject, audit.c.details).where(audit.c.act == "job.retried")
        )
    assert who == job.id and details["account"] == job.account_id and details["error_code"] == "worker_fault"


def test_what_is_given_back_puts_nobody_before_those_who_wait(house):
    house.accept("anna")
    fail(house, seconds=1000.0)
    for _ in range(3):
        house.accept("boris")
    house.work(seconds=10.0)
    failed = house.queue.retry(first_of(house, "anna"), 1.0)
    assert failed and served(house)[0] == pytest.approx(served(house, "boris")[0])


def first_of(house, name):
    with house.database.read() as connection:
        return connection.scalar(select(jobs.jobs.c.id).where(jobs.jobs.c.account_id == house.account(name)))


def test_only_a_job_that_failed_is_tried_again_and_only_once(house):
    job, other, third = house.accept(), house.accept(), house.accept()
    fail(house)
    assert house.queue.retry("video_none", 1.0) is None
    with ThreadPoolExecutor(4) as pool:
        tries = [pool.submit(house.queue.retry, job.id, 10.0) for _ in range(4)]
    assert sorted(task.exception() is None for task in tries) == [False, False, False, True]
    assert served(house)[1:] == (3, 30.0)
    house.queue.cancel(other.id, house.account("anna"))
    with pytest.raises(ApiError, match="the job is cancelled"):
        house.queue.retry(other.id, 1.0)
    assert house.work().id == job.id and house.work().id == third.id
    with pytest.raises(ApiError, match="the job is completed"):
        house.queue.retry(job.id, 1.0)


def test_a_job_that_was_laid_aside_has_two_workers_more(house):
    job = house.accept()
    for _ in range(2):
        for _ in range(2):
            assert house.queue.claim("w").id == job.id
            house.time += 31
        assert house.queue.claim("w") is None
        assert (house.look(job).status, house.look(job).error_code) == (Status.FAILED, "worker_lost")
        house.queue.retry(job.id, 10.0)
    assert house.work().attempts == 5


def test_many_at_once_lose_nothing_and_do_nothing_twice(house):
    """Makers, workers and cancellers side by side, on connections of their own."""
    house.queue.most_queued = 1000
    names = ("anna", "boris", "clara")
    for name in names:
        house.account(name)
    made, finished, cancelled = [], [], []
    makers_are_done = threading.Event()

    def make(name):
        made.extend(house.accept(name).id for _ in range(15))

    def cancel(name):
        for job_id in [job_id for job_id in list(made) if job_id[-1] in "048c"]:
            ended = house.queue.cancel(job_id, house.account(name))
            if ended and ended.error_code == "cancelled":
                cancelled.append(job_id)

    def work():
        while (job := house.queue.claim("w")) or not makers_are_done.is_set():
            if job and house.queue.finish(job.id, job.attempts, {"video": "x"}, {}):
                finished.append(job.id)

    with ThreadPoolExecutor(12) as pool:
        working = [pool.submit(work) for _ in range(4)]
        makers = [pool.submit(make, name) for name in names]
        cancelling = [pool.submit(cancel, name) for name in names]
        for task in makers + cancelling:
            task.result()
        makers_are_done.set()
        for task in working:
            task.result()
    while job := house.queue.claim("w"):
        assert house.queue.finish(job.id, job.attempts, {"video": "x"}, {})
        finished.append(job.id)
    assert len(made) == len(set(made)) == 45
    assert len(finished) == len(set(finished))
    assert set(finished) | set(cancelled) == set(made)
    assert not set(finished) & set(cancelled)
    with house.database.read() as connection:
        left = connection.exec_driver_sql("select sum(queued), sum(abs(queued_cost)) from accounts").one()
    assert left[0] == 0 and left[1] < 1e-6


def test_one_request_for_several_is_all_or_none(house):
    first = house.queue.accept(house.account("anna"), [{"n": 3, "seed": seed} for seed in (5, 6, 7)], 1.0)
    with house.database.read() as connection:
        group = jobs.siblings(connection, [first])[first.id]
        members = [jobs.find(connection, number) for number in group]
        assert [job.request["seed"] for job in members] == [5, 6, 7]
        assert jobs.siblings(connection, members) == dict.fromkeys(group, group)
    with pytest.raises(ApiError, match="3 jobs are waiting"):
        house.queue.accept(house.account("anna"), [{}] * 4, 1.0)
    assert len([house.work() for _ in range(3)]) == 3
    assert house.queue.claim("w") is None


def test_a_clip_that_is_brought_twice_at_once_is_kept_once(house):
    anna = house.account("anna")

    def kept(_):
        return house.queue.keep(anna, {"prompt": "a cat"}, {"video": "d" * 64}, {}, None, "import-1")

    with ThreadPoolExecutor(2) as both:
        first, second = both.map(kept, range(2))
    assert first == second == house.queue.kept_before(anna, "import-1")
    house.queue.cancel(first, anna, delete=True)
    assert kept(0) != first
