"""The queue held to a model of plain dictionaries, through thousands of random histories."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test
from sqlalchemy import select

from himmel.errors import ApiError
from himmel.studio.auth import Keys
from himmel.studio.database import Database
from himmel.studio.jobs import Job, Status
from himmel.studio.queue import MOST_LOST_LEASES, Queue
from himmel.studio.tables import accounts, audit, jobs, metadata

LEASE = 30.0
KINDS = ("sqlite", "postgresql")
NAMES = ("anna", "boris", "clara")


class QueueMachine(RuleBasedStateMachine):
    """``model`` has, by job, what must be true of it; ``claims`` are (job, token) that some worker believes in."""

    claims = Bundle("claims")

    def __init__(self, database):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.database = database
        with database.write() as connection:
            for table in reversed([t for t in metadata.sorted_tables if t is not audit]):
                connection.execute(table.delete())
        keys = Keys(self.database, Path(self.folder.name))
        self.accounts = [keys.caller(f"Bearer {keys.create(name)}").account_id for name in NAMES]
        self.time = 1000.0
        self.queue = Queue(self.database, LEASE, most_queued=1000, now=lambda: self.time)
        self.model = {}

    def teardown(self):
        self.folder.cleanup()

    @rule(who=st.integers(0, 2), cost=st.floats(0.5, 60), priority=st.integers(0, 2))
    def accept(self, who, cost, priority):
        job = self.queue.accept(self.accounts[who], [{}], cost, priority=priority)
        self.model[job.id] = {"status": Status.QUEUED, "order": (-priority, job.number), "who": self.accounts[who]}
        self.model[job.id] |= {"attempts": 0, "until": 0.0, "results": {}, "lost": 0, "cancelled": False}

    @rule(target=claims)
    def claim(self):
        self._leases_run_out()
        served = self._served()
        job = self.queue.claim("w")
        waiting = {number: job for number, job in self.model.items() if job["status"] == Status.QUEUED}
        if job is None:
            assert not waiting
            return None, 0
        chosen = self.model[job.id]
        least = min(served[waiting_job["who"]] for waiting_job in waiting.values())
        assert abs(served[chosen["who"]] - least) < 1e-6
        assert chosen["order"] == min(other["order"] for other in waiting.values() if other["who"] == chosen["who"])
        chosen |= {"status": Status.IN_PROGRESS, "attempts": chosen["attempts"] + 1, "until": self.time + LEASE}
        assert job.attempts == chosen["attempts"]
        return job.id, job.attempts

    @rule(claim=claims, progress=st.integers(0, 100))
    def beat(self, claim, progress):
        known = self._owned(claim)
        assert self.queue.beat(str(claim[0]), claim[1], progress) == bool(known)
        if known:
            known["until"] = self.time + LEASE

    @rule(claim=consumes(claims))
    def finish(self, claim):
        known, result = self._owned(claim), {"video": f"{claim[1]} at {self.time}"}
        assert self.queue.finish(str(claim[0]), claim[1], result, {}) == bool(known)
        if known:
            known |= {"status": Status.COMPLETED, "results": result}

    @rule(claim=consumes(claims))
    def fail(self, claim):
        known = self._owned(claim)
        assert self.queue.fail(str(claim[0]), claim[1], "code", "why") == bool(known)
        if known:
            known["status"] = Status.FAILED

    @rule(which=st.randoms(use_true_random=False))
    def cancel(self, which):
        if not self.model:
            return
        number = which.choice(sorted(self.model))
        known = self.model[number]
        assert self.queue.cancel(number, known["who"]) is not None
        if known["status"] in (Status.QUEUED, Status.IN_PROGRESS):
            known |= {"status": Status.FAILED, "cancelled": True}

    @rule(which=st.integers(0, 99), cost=st.floats(0.5, 60))
    def retry(self, which, cost):
        failed = [number for number, known in self.model.items() if known["status"] == Status.FAILED]
        if not failed:
            return
        known = self.model[number := failed[which % len(failed)]]
        if known["cancelled"]:
            with pytest.raises(ApiError):
                self.queue.retry(number, cost)
        else:
            assert self.queue.retry(number, cost).status == Status.QUEUED
            known |= {"status": Status.QUEUED, "lost": 0}

    @rule(seconds=st.floats(0.1, 40))
    def wait(self, seconds):
        self.time += seconds

    @rule()
    def take_back(self):
        self._leases_run_out()
        self.queue.take_back()

    @invariant()
    def every_job_is_what_it_should_be(self):
        with self.database.read() as connection:
            found = {row.id: Job.of(row) for row in connection.execute(select(jobs))}
            counted = dict(connection.execute(select(accounts.c.id, accounts.c.queued)).all())
        assert found.keys() == self.model.keys()
        for number, known in self.model.items():
            job = found[number]
            assert (job.status, job.attempts, job.results) == (known["status"], known["attempts"], known["results"])
        for who in self.accounts:
            waiting = [j for j in self.model.values() if j["who"] == who and j["status"] == Status.QUEUED]
            assert counted[who] == len(waiting)

    def _owned(self, claim):
        """What the model knows of a claim that is still good; None where it is not."""
        known = self.model.get(claim[0])
        good = known and known["status"] == Status.IN_PROGRESS and known["attempts"] == claim[1]
        return known if good else None

    def _leases_run_out(self):
        for known in self.model.values():
            if known["status"] == Status.IN_PROGRESS and known["until"] < self.time:
                known["lost"] += 1
                known["status"] = Status.FAILED if known["lost"] >= MOST_LOST_LEASES else Status.QUEUED

    def _served(self):
        """Virtual times as the queue will see them once silent workers' jobs were taken back."""
        self.queue.take_back()
        with self.database.read() as connection:
            return dict(connection.execute(select(accounts.c.id, accounts.c.served)).all())


@pytest.mark.parametrize("kind", KINDS)
def test_the_queue_does_what_its_model_does(kind, request):
    # In memory, on one connection: nothing here is about the disk.
    database = Database("sqlite://" if kind == "sqlite" else request.getfixturevalue("postgres").create())
    database.migrate()
    often = settings(
        max_examples=30 if kind == "sqlite" else 8,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    run_state_machine_as_test(lambda: QueueMachine(database), settings=often)
    database.close()
