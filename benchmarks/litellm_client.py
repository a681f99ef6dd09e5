"""LiteLLM's client against a server of its own with the fake backend: python benchmarks/litellm_client.py

LiteLLM lives in a virtual environment of its own in the cache folder, made at the first run (about a minute, 330 MB):
it is too large for the tests' environment, and it pins packages that the tests have in other versions. Every line that
is printed was seen to be as it should; the first that is not ends the run with its error.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import venv
from pathlib import Path
from typing import Any

VERSION = "1.109.1"
# What its client needs of its requirements. It asks for a certifi that is younger than many an index.
NEEDED = "aiohttp anyio certifi click fastuuid filelock httpx[http2] importlib-metadata<9 jinja2 jsonschema openai<4"
NEEDED += " packaging pydantic pydantic-settings python-dotenv pyyaml tiktoken tokenizers typing-extensions"
SMALL = {"seconds": "1", "size": "64x48"}


def main() -> None:
    """Make the environment where there is none, start a server, and let LiteLLM speak to it."""
    import uvicorn

    from himmel.backends.fake import FakeBackend
    from himmel.studio.app import make_app
    from himmel.studio.server import Server
    from himmel.studio.settings import Settings
    from himmel.worker import Worker, connect

    python = environment()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        server = Server.opened(Settings(data_dir=Path(folder), model="fake", poll_ms=20))
        serving = uvicorn.Server(uvicorn.Config(make_app(server), port=port, log_level="warning"))
        threading.Thread(target=serving.run, daemon=True).start()
        while not serving.started:
            time.sleep(0.01)
        address = f"http://127.0.0.1:{port}"
        worker = Worker(connect(address, server.keys.worker_token()), FakeBackend())
        threading.Thread(target=worker.run, daemon=True).start()
        offline = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        key = server.keys.create("litellm")
        done = subprocess.run([python, __file__, f"{address}/v1", key], env=os.environ | offline, check=False)
        serving.should_exit = True
    sys.exit(done.returncode)


def environment() -> Path:
    """The Python of LiteLLM's environment."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "himmel-clients" / f"litellm-{VERSION}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        print(f"installing LiteLLM {VERSION} in {folder}, once")
        venv.create(folder, with_pip=True, clear=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, *NEEDED.split()], check=True)
        subprocess.run([*install, "--no-deps", f"litellm=={VERSION}"], check=True)
        (folder / "ready").touch()
    return python


def speak(address: str, key: str) -> None:
    """What a script does; run by LiteLLM's own Python."""
    import litellm

    litellm.suppress_debug_info = True
    there: dict[str, Any] = {"api_base": address, "api_key": key}
    ours = there | {"custom_llm_provider": "openai"}

    def end(video: Any) -> Any:
        while video.status in ("queued", "in_progress"):
            time.sleep(0.02)
            video = litellm.video_status(video_id=video.id, **there)
        return video

    def create(prompt: str, **more: Any) -> Any:
        return end(litellm.video_generation(prompt=prompt, model="openai/sora-2", **SMALL, **more, **there))

    video = create("a cat on the beach")
    check("create, status", (video.status, video.model, video.seconds), ("completed", "sora-2", "1"))
    clip = litellm.video_content(video_id=video.id, **there)
    check("content", clip[4:8], b"ftyp")
    thumbnail = litellm.video_content(video_id=video.id, variant="thumbnail", **there)
    check("thumbnail", thumbnail[8:12], b"WEBP")
    check("a first frame", create("a cat", input_reference=thumbnail).status, "completed")
    asked = {
        "remix": litellm.video_remix(video_id=video.id, prompt="a dog", **there),
        "edit by number": litellm.video_edit(video_id=video.id, prompt="a dog", **there),
        "edit of a file": litellm.video_edit(
            video_id=video.id, prompt="a dog", video=clip, extra_body={"model": "sora-2"}, **ours
        ),
        "extension": litellm.video_extension(video_id=video.id, prompt="on", seconds="4", **there),
    }
    for name, job in asked.items():
        check(name, end(job).status, "completed")
    check("extension's seconds", asked["extension"].seconds, "5")
    character = litellm.video_create_character(name="Mia", video=clip, **ours)
    check("character", litellm.video_get_character(character_id=character.id, **ours).name, "Mia")
    listed = litellm.video_list(**ours)["data"]
    check("list", len(listed), 6)
    try:
        litellm.video_status(video_id="video_0", **ours)
    except litellm.NotFoundError as error:
        check("no such clip", error.status_code, 404)


def check(what: str, found: object, expected: object) -> None:
    """One line, or the end."""
    if found != expected:
        raise SystemExit(f"{what}: {found!r} instead of {expected!r}")
    print(f"ok  {what}")


if __name__ == "__main__":
    speak(*sys.argv[1:]) if len(sys.argv) > 1 else main()
