"""The server's process: what its helpers do again and again outlives a failure, and the link it prints leads here."""

import re
import socket

import pytest

from himmel.cli import processes
from himmel.cli.app import main
from himmel.cli.processes import _carefully, leads_here, listening


def test_a_failure_is_logged_and_not_the_end(caplog):
    def fails():
        raise ZeroDivisionError

    _carefully(fails)
    assert [(record.name, record.exc_info[0]) for record in caplog.records] == [("himmel.processes", ZeroDivisionError)]


@pytest.fixture
def listener():
    with listening("127.0.0.1", 0) as found:
        yield found


def stands_for(monkeypatch, *addresses):
    told = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]
    real = socket.getaddrinfo

    def found(name, *rest, **more):
        return told if name == "localhost" else real(name, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", found)


def test_a_name_leads_here_where_nobody_else_listens_under_it(listener, monkeypatch):
    stands_for(monkeypatch, "127.0.0.2", "127.0.0.1")
    assert leads_here("localhost", listener)
    with socket.socket() as other:
        other.bind(("127.0.0.2", listener.getsockname()[1]))
        other.listen()
        assert not leads_here("localhost", listener)
    stands_for(monkeypatch, "127.0.0.3")
    assert not leads_here("localhost", listener)


def test_a_name_that_stands_for_nothing_leads_nowhere(listener, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert not leads_here("localhost", listener)


@pytest.fixture
def begun(monkeypatch):
    """Servers print what they print, and end."""
    monkeypatch.setattr(processes, "serve_with_workers", lambda *_: None)
    monkeypatch.setattr("himmel.logs.configure", lambda *_: None)


@pytest.mark.parametrize(("leads", "name"), [(True, "localhost"), (False, "127.0.0.1")])
def test_the_printed_link_is_one_where_browsers_have_passkeys(begun, monkeypatch, tmp_path, capsys, leads, name):
    monkeypatch.setattr(processes, "leads_here", lambda *_: leads)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert main(["serve", "--model", "fake", "--port", str(port), "--data-dir", str(tmp_path / "data")]) == 0
    said = capsys.readouterr().out
    assert f"http://127.0.0.1:{port}/v1 with the model" in said and f"the studio: http://{name}:{port}\n" in said
    assert re.search(rf"account: http://{name}:{port}/setup/[\w-]{{32}}\n", said)


def test_a_server_elsewhere_is_called_as_it_is(begun, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(processes, "leads_here", lambda *_: True)
    folder = str(tmp_path / "data")
    assert main(["keys", "create", "anna", "--data-dir", folder]) == 0
    assert main(["serve", "--model", "fake", "--host", "0.0.0.0", "--port", "0", "--data-dir", folder]) == 0
    assert "the studio: http://0.0.0.0:0" in capsys.readouterr().out
