"""The server's helpers: what they do again and again outlives a failure."""

from himmel.cli.processes import _carefully


def test_a_failure_is_logged_and_not_the_end(caplog):
    def fails():
        raise ZeroDivisionError

    _carefully(fails)
    assert [(record.name, record.exc_info[0]) for record in caplog.records] == [("himmel.processes", ZeroDivisionError)]
