"""The layers hold: what pyproject.toml says about imports is true of the code."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What a machine that only trains may lack: imported where it is used, and nowhere else.
ABSENT = {
    "av",
    "resvg_py",
    "OpenEXR",
    "fastapi",
    "uvicorn",
    "sqlalchemy",
    "alembic",
    "multipart",
    "httpx2",
    "prometheus_client",
}
SERVING = ("himmel.studio", "himmel.worker", "himmel.cli.processes")  # not for such a machine


def test_imports_run_downwards_only():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_imports_on_a_machine_that_has_little():
    modules = sorted(
        ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
        for path in (ROOT / "src" / "himmel").rglob("*.py")
        if path.stem not in ("__init__", "__main__")
    )
    modules = [name for name in modules if not name.startswith(SERVING)]
    program = f"""
import importlib, sys
sys.modules.update(dict.fromkeys({sorted(ABSENT)!r}))
for name in {modules!r}:
    importlib.import_module(name)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
