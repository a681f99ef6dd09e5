"""A key that is used from many places at once is told, once, and no other."""

import pytest

from himmel.studio.alarm import AGAIN_SECONDS, TOGETHER_SECONDS, Alarm
from himmel.studio.audit import entries


@pytest.fixture
def house(database):
    alarm = Alarm(database, most=3, now=lambda: alarm.time)
    alarm.time = 1000.0
    return alarm


def told(alarm):
    alarm.tell()
    with alarm.database.read() as connection:
        return [row.subject for row in entries(connection) if row.act == "key.alarm"]


def come(alarm, key_id, count, apart=0.0, start=0):
    for number in range(start, start + count):
        alarm.see(key_id, f"203.0.113.{number}")
        alarm.time += apart


def test_many_addresses_within_a_minute_are_told_once(house):
    come(house, "anna", 3)
    come(house, "boris", 3)
    assert told(house) == []
    come(house, "anna", 200)
    assert told(house) == ["anna"]
    come(house, "anna", 200)
    assert told(house) == ["anna"]
    house.time += AGAIN_SECONDS + 1
    come(house, "anna", 10)
    assert told(house) == ["anna", "anna"]


def test_addresses_that_change_slowly_are_nothing_special(house):
    come(house, "anna", 50, apart=TOGETHER_SECONDS / 3 + 1)
    assert told(house) == []


def test_it_can_be_switched_off(database):
    alarm = Alarm(database, most=0)
    come_from = [f"203.0.113.{number}" for number in range(100)]
    for address in come_from:
        alarm.see("anna", address)
    assert told(alarm) == []


def test_what_could_not_be_written_is_told_later(house, monkeypatch):
    come(house, "anna", 10)

    def away(*_, **__):
        raise OSError("away")

    with monkeypatch.context() as patch:
        patch.setattr("himmel.studio.alarm.keep", away)
        with pytest.raises(OSError, match="away"):
            house.tell()
    assert told(house) == ["anna"]
