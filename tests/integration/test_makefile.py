"""What make says and does where something is missing, in a folder with a space in its name."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A virtual environment's Python that only says what it was asked to do.
TELLING_PYTHON = '#!/bin/sh\n[ "$1" = -c ] && exit 0\nfor word in "$@"; do echo "<$word>"; done\n'


@pytest.fixture
def clone(tmp_path):
    folder = tmp_path / "my clone"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    return folder


def make(folder, *arguments, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(["make", *arguments], cwd=folder, env=kept | environment, capture_output=True, text=True)


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def install_stand_in(folder):
    program(folder / ".venv/bin/python", TELLING_PYTHON)
    (folder / ".venv/folder").write_text(f"{folder}\n")
    (folder / ".venv/installed").touch()


def test_the_prompt_is_asked_for_before_anything_is_installed(clone):
    done = make(clone, "video")
    assert done.returncode == 2
    assert 'make video PROMPT="a cat on the beach"' in done.stdout
    assert not (clone / ".venv").exists()


def test_a_missing_python_is_named(clone):
    done = make(clone, "video", "PROMPT=a cat", "PYTHON=python9")
    assert done.returncode == 2
    assert "No Python 3.11 or newer was found under the name python9." in done.stdout
    assert not (clone / ".venv").exists()


def test_an_old_python_does_not_count(clone):
    program(clone / "old python", "#!/bin/sh\nexit 1\n")
    done = make(clone, "test", "PYTHON=./old python")
    assert "No Python 3.11 or newer was found under the name ./old python." in done.stdout


def test_a_full_disk_is_named(clone):
    program(clone / "bin/df", "#!/bin/sh\necho header; echo /dev/disk 9000000 8000000 1048576 88% /\n")
    done = make(clone, "video", "PROMPT=a cat", PATH=f"{clone / 'bin'}:{os.environ['PATH']}")
    assert done.returncode == 2
    assert "Himmel needs 3 GB here, 1 GB are free." in done.stdout


def test_the_prompt_arrives_word_for_word(clone):
    install_stand_in(clone)
    prompt = """a "cat" for $5, it's `here`; 海辺 --steps \\ $(PWD)"""
    done = make(clone, "video", f"PROMPT={prompt}", "ARGS=--seed 7")
    assert done.returncode == 0, done.stderr
    asked = done.stdout.splitlines()
    assert asked == [f"<{word}>" for word in ("-m", "himmel", "generate", "-o", "clips", "--seed", "7", "--", prompt)]


def test_the_studio_is_served_with_what_was_asked(clone):
    install_stand_in(clone)
    done = make(clone, "studio", "ARGS=--port 9000")
    assert done.stdout.splitlines() == ["<-m>", "<himmel>", "<serve>", "<--port>", "<9000>"]


def test_what_is_installed_is_not_installed_again(clone):
    install_stand_in(clone)
    assert "Installing" not in make(clone, "video", "PROMPT=a cat").stdout
    os.utime(clone / "pyproject.toml", (4e9, 4e9))
    assert "Installing" in make(clone, "video", "PROMPT=a cat").stdout


def test_a_clone_that_was_moved_is_installed_again(clone):
    install_stand_in(clone)
    moved = clone.rename(clone.with_name("moved clone"))
    assert "Installing" in make(moved, "video", "PROMPT=a cat").stdout


def test_what_tests_need_of_node_comes_where_node_is_and_is_no_condition(clone):
    install_stand_in(clone)
    program(clone / "bin/node", "#!/bin/sh\n")
    program(clone / "bin/npm", '#!/bin/sh\necho "npm: $*"\n')
    path = f"{clone / 'bin'}:{os.environ['PATH']}"
    assert "npm: install --prefix .venv/node --no-save" in make(clone, "test", PATH=path).stdout
    (clone / ".venv/installed-test").unlink()
    program(clone / "bin/npm", "#!/bin/sh\nexit 1\n")
    done = make(clone, "test", PATH=path)
    assert "their tests will be skipped" in done.stdout
    assert "<mypy>" in done.stdout
