"""What machines that watch a server see."""

import httpx2


def test_alive_and_ready(idle):
    assert httpx2.get(f"{idle.address}/healthz").json() == {"status": "ok"}
    answer = httpx2.get(f"{idle.address}/readyz")
    assert set(answer.json()) == {"database", "storage", "disk", "workers", "clock"}


def test_metrics_count_the_queue_and_tell_no_prompt(idle):
    client = idle.client("counted")
    before = _value(idle, 'himmel_jobs{status="queued"}')
    video = client.post("/videos", body={"prompt": "a secret cat"}, cast_to=object)
    assert _value(idle, 'himmel_jobs{status="queued"}') == before + 1
    assert _value(idle, "himmel_queue_age_seconds") >= 0
    assert "secret" not in httpx2.get(f"{idle.address}/metrics").text
    client.delete(f"/videos/{video['id']}", cast_to=object)


def _value(idle, name):
    lines = httpx2.get(f"{idle.address}/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(name)).rpartition(" ")[2])
