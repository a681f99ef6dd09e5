"""The client for JavaScript against a running server. ``make test`` installs it where node and npm are."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from himmel.media.video_io import read_frames

SCRIPT = Path(__file__).with_name("node_client.mjs")
FOLDER = Path(sys.prefix) / "node"


@pytest.mark.skipif(not shutil.which("node"), reason="node is not on this machine")
@pytest.mark.skipif(not (FOLDER / "node_modules/openai").exists(), reason=f"no openai for node in {FOLDER}: make test")
def test_a_script_in_javascript_works(running, tmp_path):
    client = running.client("javascript")
    clip = tmp_path / "clip.mp4"
    command = ["node", SCRIPT, FOLDER, f"{running.address}/v1", client.api_key, clip]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    video_id = seen.pop("id")
    assert seen == {
        "created": ["video", "sora-2", "1", "64x48"],
        "polled": [True, "completed", 100, None],
        "kind": "video/mp4",
        "thumbnail": "image/webp",
        "fromPicture": "completed",
        "remixed": ["completed", True],
        "listed": True,
        "notFound": ["NotFoundError", 404, "video_not_found", "req_"],
        "unknownKey": ["AuthenticationError", 401, "invalid_api_key", "req_"],
        "wrongValue": ["BadRequestError", 400, "invalid_value", "req_"],
        "deleted": ["video.deleted"] * 2,
    }
    assert read_frames(clip).shape == (12, 48, 64, 3)
    assert clip.read_bytes() == client.videos.download_content(video_id).read()
    assert [video.id for video in client.videos.list()] == [video_id]
