"""A server on a free port with a worker beside it, and the stock client pointed at it."""

import re
import shutil
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape

import httpx2
import pyotp
import pytest
import uvicorn
from openai import OpenAI
from sqlalchemy import update

from himmel.backends.fake import WORDS, FakeBackend
from himmel.studio.accounts import account_of_name
from himmel.studio.app import make_app
from himmel.studio.audit import entries
from himmel.studio.auth import Terms
from himmel.studio.server import Server
from himmel.studio.settings import Settings
from himmel.studio.tables import sessions
from himmel.worker import Worker, connect

KINDS = ("sqlite", "postgresql")
PASSWORD = "a long night in june"
HTML = {"accept": "text/html", "sec-fetch-site": "same-origin"}  # what a browser says
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
SMALL_FORM = {"prompt": "a cat", "seconds": "1", "size": "64x48", "n": "1", "turbo": "false"}


@dataclass
class Running:
    """A server that answers, and the means to speak to it."""

    server: Server
    address: str

    def client(self, name="maker", **options):
        """The stock client with a key of this account."""
        return OpenAI(base_url=f"{self.address}/v1", api_key=self.server.keys.create(name), max_retries=0, **options)

    def wire(self, client):
        """Requests by hand, with this client's key."""
        headers = {"authorization": f"Bearer {client.api_key}"}
        return httpx2.Client(base_url=f"{self.address}/v1", headers=headers, timeout=60)

    def worker(self):
        return Worker(connect(self.address, self.server.keys.worker_token()), FakeBackend())


@pytest.fixture(scope="session", params=KINDS)
def idle(request, serving):
    """A server without workers that all tests share, on either database."""
    with serving(request.param) as running:
        yield running


@pytest.fixture
def own(serving):
    """A server without workers for one test alone."""
    with serving("sqlite") as running:
        yield running


@pytest.fixture(scope="session")
def serving(request, tmp_path_factory):
    """A way to start one more server, on a database of this kind."""

    def on(kind):
        url = "" if kind == "sqlite" else request.getfixturevalue("postgres").create()
        return _serving(Settings(data_dir=tmp_path_factory.mktemp("data"), model="fake", poll_ms=20, database_url=url))

    return on


@pytest.fixture
def refused():
    """Looks at an answer that should be no success, and gives the error in its envelope."""

    def look(answer, status, param=None):
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/json"
        assert re.fullmatch(r"req_[0-9a-f]{24}", answer.headers["x-request-id"])
        [error] = answer.json().values()
        assert set(error) == {"message", "type", "param", "code"}
        assert error["message"] and error["code"] and error["param"] == param
        return error

    return look


@contextmanager
def _serving(settings):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server.opened(settings)
    server.storage.check()
    server.keys.create("anna")  # the first account: the owner's
    listening = uvicorn.Server(uvicorn.Config(make_app(server), port=port, log_level="warning"))
    thread = threading.Thread(target=listening.run, daemon=True)
    thread.start()
    while not listening.started:
        time.sleep(0.01)
    yield Running(server, f"http://127.0.0.1:{port}")
    listening.should_exit = True
    thread.join()
    server.database.close()


@contextmanager
def at_work(own):
    """Meanwhile a worker does whatever comes to a server."""
    over = threading.Event()

    def work():
        worker = own.worker()
        while not over.is_set():
            if not worker.work_once():
                over.wait(0.1)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.fixture(scope="session")
def working():
    """See :func:`at_work`."""
    return at_work


@pytest.fixture
def running(idle):
    """The same server with a worker that does whatever comes."""
    with at_work(idle):
        yield idle


@pytest.fixture
def clip(running):
    """A finished clip, and a client of its account."""
    client = running.client("row-by-row")
    return client, client.videos.create_and_poll(prompt="a cat", seconds="1", size="64x48", extra_body={"seed": 11})


@dataclass
class Browser:
    """A browser without scripts: cookies, and forms with the words that pages put into them."""

    wire: httpx2.Client

    def get(self, path, **options):
        return self.wire.get(path, **options)

    def word(self, path="/account"):
        return unescape(re.search(r'name="word" value="([^"]+)"', self.get(path).text)[1])

    def cookie(self):
        return self.wire.cookies["himmel"]

    def sign_in(self, name, **fields):
        """With the password of :func:`member`."""
        return self.wire.post("/sign-in", data={"name": name, "password": PASSWORD, **fields})

    def turn_codes_on(self):
        """(the app, recovery codes); the app's ``used`` is the code that was used up."""
        assert self.post("/account/factors/codes/begin").headers["location"] == "/account/factors/codes"
        page = self.get("/account/factors/codes").text
        secret = "".join(re.findall(r"<span>([A-Z2-7]{4})</span>", page))
        app = pyotp.TOTP(secret)
        assert f"secret={secret}" in page and '<svg viewBox="0 0 ' in page
        assert self.post("/account/factors/codes", {"code": "000000"}).status_code == 400
        app.used = app.now()
        shown = self.post("/account/factors/codes", {"code": app.used})
        assert shown.status_code == 200
        return app, re.findall(r"<code>([\w-]{14})</code>", shown.text)

    def post(self, path, data=None, **options):
        return self.wire.post(path, data={"word": self.word(), **(data or {})}, **options)

    def make(self, **fields):
        """The number of a new clip."""
        answer = self.post("/create", SMALL_FORM | fields)
        assert answer.status_code == 303, answer.text
        return re.search(r"video_[0-9a-f]{32}", answer.headers["location"])[0]

    def done(self, number):
        """The page of a clip, when it is finished."""
        for _ in range(600):
            if "<himmel-player" in (page := self.get(f"/clips/{number}").text):
                return page
            time.sleep(0.05)
        raise AssertionError(page)


@pytest.fixture
def stranger(idle):
    """One that is not signed in."""
    with httpx2.Client(base_url=idle.address, headers=HTML, timeout=60) as wire:
        yield Browser(wire)


@pytest.fixture
def browser(idle):
    """A way to get one that is signed in, with a key of this name's account."""
    wires = []

    def signed_in(name="maker", terms=Terms()):  # noqa: B008
        wires.append(httpx2.Client(base_url=idle.address, headers=HTML, timeout=60))
        answer = wires[-1].post("/sign-in", data={"key": idle.server.keys.create(name, terms)})
        assert answer.status_code == 303, answer.text
        return Browser(wires[-1])

    yield signed_in
    for wire in wires:
        wire.close()


@pytest.fixture
def at_localhost(idle):
    """A way to get a browser that nobody is signed in with, at http://localhost, where there are passkeys."""
    wires = []

    def opened():
        named = idle.address.replace("127.0.0.1", "localhost")
        wires.append(httpx2.Client(base_url=named, headers=HTML, timeout=60))
        return Browser(wires[-1])

    yield opened
    for wire in wires:
        wire.close()


@pytest.fixture
def member(idle, at_localhost):
    """A way to get a browser that is signed in, at http://localhost, to an account with a password."""

    def made(name):
        browser = at_localhost()
        assert browser.wire.post("/sign-in", data={"key": idle.server.keys.create(name)}).status_code == 303
        assert browser.post("/account/password", {"new": PASSWORD}).status_code == 303
        browser.post("/sign-out")
        assert browser.sign_in(name).headers["location"] == "/create"
        return browser

    return made


@pytest.fixture
def make_stale(idle):
    """As if the browsers of the account of this name had signed in long ago; gives its number."""

    def stale(name):
        account = account_of_name(idle.server.database, name)
        with idle.server.database.write() as connection:
            connection.execute(update(sessions).where(sessions.c.account_id == account).values(confirmed_at=1.0))
        return account

    return stale


@pytest.fixture
def acts(idle):
    """What the audit log says that an account did."""

    def told(account):
        with idle.server.database.read() as connection:
            return [row.act for row in entries(connection) if row.who == account]

    return told


@pytest.fixture(scope="module")
def chromium():
    """Debian's chromium, driven by playwright; without them its tests are skipped. Nothing is ever downloaded here.

    Not for the whole session: while playwright is there, asyncio finds a loop that runs already.
    """
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if not path:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def studio(serving, working):
    """A server with words and a worker."""
    with serving("sqlite") as running, working(running):
        running.server.words = WORDS
        yield running


@pytest.fixture
def window(chromium):
    """A way to a page in a browser of its own; whatever the browser complains of fails the test."""
    contexts, complaints = [], []

    def opened(address, **options):
        contexts.append(
            chromium.new_context(base_url=address, **{"viewport": {"width": 1280, "height": 800}} | options)
        )
        contexts[-1].set_default_timeout(60_000)
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda told: "Content Security Policy" in told.text and complaints.append(told.text))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def enter(studio):
    """A way to sign in, with a new key of the account of this name."""

    def entered(page, name="maker"):
        page.goto("/sign-in")
        page.get_by_text("With a key instead").click()
        page.fill("[name=key]", studio.server.keys.create(name))
        page.get_by_role("button", name="Sign in with the key").click()
        page.wait_for_url("**/create")
        return page

    return entered


@pytest.fixture
def page(window, studio, enter):
    """A page that is signed in."""
    return enter(window(studio.address))


@pytest.fixture
def authenticator():
    """A way to give a page a device for passkeys; what that is told, over the protocol that browsers are driven by."""

    def given(page):
        wire = page.context.new_cdp_session(page)
        wire.send("WebAuthn.enable")
        number = wire.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})["authenticatorId"]
        return lambda act, **told: wire.send(f"WebAuthn.{act}", {"authenticatorId": number, **told})

    return given


@pytest.fixture
def furnished(enter):
    """A way to have the owner on a page, with two finished clips at least."""

    def at_home(page):
        enter(page, "owner")
        if not page.locator(".card").count():
            page.fill("#prompt", "a cat on the beach")
            page.select_option("[name=seconds]", "2")
            page.check("[name=n][value='2']", force=True)
            page.get_by_role("button", name="Make", exact=True).click()
            page.locator('.card[data-status="completed"]').nth(1).wait_for()
        return page

    return at_home
