"""The description at /openapi.json against the server: Schemathesis sends what fits it and what does not.

No answer is a fault of the server's, has a status, a header, a content type or a body that is not described, or takes
what the description forbids. What it allows may still be refused (a clip that is no MP4): that is not checked.
``EXAMPLES=200 pytest tests/acceptance/test_description.py`` looks longer than ``make test`` does, and at sequences.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import bombs
import httpx2
import pytest

from himmel.studio.tables import webhook_endpoints

EXAMPLES = os.environ.get("EXAMPLES", "2")
PHASES = "coverage,fuzzing,stateful" if "EXAMPLES" in os.environ else "coverage,fuzzing"
MP4 = ("clip.mp4", bombs.clip(), "video/mp4")
LINE = b'{"custom_id": "a", "method": "POST", "url": "/v1/videos", "body": {"prompt": "a cat"}}'
WHICH = {
    "routes": ["--exclude-path-regex=^/workers/", "--exclude-method=DELETE"],
    "deletions": ["--include-method=DELETE"],
    "workers": ["--include-path-regex=^/workers/"],
}


def one_of_each(own, key):
    """Something for every number in a path to point at."""
    client = own.client("described")
    client.api_key = key
    video = client.videos.create(prompt="a cat", seconds="1", size="64x48")
    assert own.worker().work_once()
    file = client.files.create(file=("lines.jsonl", LINE), purpose="batch")
    batch = client.batches.create(endpoint="/v1/videos", completion_window="24h", input_file_id=file.id)
    told = {"name": "x", "url": "https://localhost/", "event_types": [], "created_at": 1, "updated_at": 1}
    account = own.server.keys.caller(f"Bearer {key}").account_id
    with own.server.database.write() as connection:
        row = webhook_endpoints.insert().values(id="we_1", account_id=account, secret="whsec_YWJj", **told)
        connection.execute(row)
    return {
        "video_id": video.id,
        "file_id": client.files.create(file=("a.png", b"x"), purpose="vision").id,
        "batch_id": batch.id,
        "endpoint_id": "we_1",
        "character_id": client.videos.create_character(name="Mia", video=MP4).id,
        "model": "sora-2",
    }


@pytest.mark.parametrize("which", WHICH)
def test_every_answer_is_described(own, tmp_path, which):
    key = own.server.keys.create("anna")  # an owner's: for the operators' routes too
    numbers = one_of_each(own, key)
    config = tmp_path / "schemathesis.toml"
    config.write_text("[parameters]\n" + "".join(f'"path.{name}" = "{id_}"\n' for name, id_ in numbers.items()))
    token = own.server.keys.worker_token() if which == "workers" else key
    command = [
        Path(sys.executable).with_name("st"),
        f"--config-file={config}",
        "run",
        f"{own.address}/openapi.json",
        f"--header=Authorization: Bearer {token}",
        f"--max-examples={EXAMPLES}",
        f"--phases={PHASES}",
        "--generation-deterministic",
        "--exclude-checks=positive_data_acceptance",
        "--no-color",
        *WHICH[which],
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    paths = httpx2.get(f"{own.address}/openapi.json").json()["paths"].items()
    routes = [(path.startswith("/workers/"), method) for path, methods in paths for method in methods]
    expected = {
        "routes": sum(not worker and method != "delete" for worker, method in routes),
        "deletions": sum(method == "delete" for _, method in routes),
        "workers": sum(worker for worker, _ in routes),
    }
    assert int(re.search(r"Tested: (\d+)", done.stdout)[1]) == expected[which]
