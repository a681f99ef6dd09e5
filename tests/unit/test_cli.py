import subprocess
import sys
from importlib.metadata import version

import pytest

from himmel.cli.app import main
from himmel.cli.output import slug


def test_the_version_is_the_packages(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"himmel {version('himmel')}\n"


def test_without_a_command_there_is_help(capsys):
    assert main([]) == 0
    assert "generate" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [(["paint"], "generate"), (["models", "wrds"], "words"), (["world"], "fetch"), (["train"], "transformer")],
)
def test_wrong_and_missing_commands_name_the_right_ones(capsys, arguments, allowed):
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert allowed in err


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["generate", "--help"], ["generate", "x", "--seed", "abc"], ["models", "--help"]],
)
def test_help_and_refusals_cost_no_torch(arguments):
    program = f"""
import sys
from himmel.cli.app import main
main({arguments!r})
heavy = {{"torch", "numpy", "av", "PIL"}} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_recipe_is_printed_setting_by_setting(tmp_path, capsys):
    path = tmp_path / "clip.mp4"
    main(["generate", "a cat", "--model", "fake", "--seed", "3", "--seconds", "0.2", "-o", str(path)])
    capsys.readouterr()
    assert main(["info", str(path)]) == 0
    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if len(line.split()) > 1)
    assert shown["prompt"] == "a cat"
    assert shown["seed"] == "3"
    assert shown["model"] == "fake"
    assert shown["himmel_version"] == version("himmel")
    assert shown["size"] == "256x256"


def test_words_can_be_searched(capsys):
    assert main(["models", "words", "--model", "fake", "--search", "kang"]) == 0
    out = capsys.readouterr().out
    assert out.split() == ["noun", "kangaroo", "Känguru,", "カンガルー"]
    assert main(["models", "words", "--model", "fake", "--search", "zzz"]) == 1
    assert "knows no word with 'zzz' in it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("A cat, on the beach!", "a-cat-on-the-beach"),
        ("海辺の猫", "海辺の猫"),
        ("../../etc/passwd", "etc-passwd"),
        ("?!", "clip"),
        ("long " * 100, ("long-" * 16)[:-1]),
        ("ü" * 200, "ü" * 40),
    ],
)
def test_names_are_made_of_words(prompt, name):
    assert slug(prompt) == name
