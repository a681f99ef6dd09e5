"""The studio in Debian's own Firefox, driven by puppeteer over WebDriver BiDi; playwright wants one that it patched.

``make test`` installs puppeteer where a Firefox is.
"""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from himmel import worker
from himmel.backends.fake import FakeBackend

SCRIPT = Path(__file__).with_name("firefox_journey.mjs")
FOLDER = Path(sys.prefix) / "node"
FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")


def slow(self, request, state=None, at_once=FakeBackend.generate):
    """So slow that one can watch."""
    for made in at_once(self, request, state):
        time.sleep(0.4)
        yield made


@pytest.mark.skipif(not FIREFOX, reason="firefox is not installed: apt-get install firefox-esr")
@pytest.mark.skipif(not shutil.which("node"), reason="node is not on this machine")
@pytest.mark.skipif(
    not (FOLDER / "node_modules/puppeteer-core").exists(), reason=f"no puppeteer-core for node in {FOLDER}: make test"
)
def test_a_clip_is_made_watched_played_and_found(studio, monkeypatch):
    monkeypatch.setattr(FakeBackend, "generate", slow)
    monkeypatch.setattr(worker, "BEAT_SECONDS", 0.2)
    command = ["node", SCRIPT, FOLDER, FIREFOX, studio.address, studio.server.keys.create("maker")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["complaints"] == []
    assert seen["prompt"] == "a kangaroo jumping" and seen["found"] == ["a kangaroo jumping"]
    assert len(seen["progress"]) > 1 and seen["progress"] == sorted(seen["progress"])
    assert seen["size"] == [256, 256, 2]
