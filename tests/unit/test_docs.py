"""The documentation against the code: what is undocumented, or documented and gone, fails here."""

import importlib
import re
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer.main

from himmel.cli.app import app
from himmel.studio.app import make_app
from himmel.studio.intake import WORDS
from himmel.studio.schemas import CreateVideo, EditVideo, ExtendVideo, Himmel, Prompted, RemixVideo
from himmel.studio.server import Server
from himmel.studio.settings import MEANING, Settings, variable

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference.md"
VIDEOS_API = ROOT / "docs" / "videos-api.md"
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])


def documented_commands() -> dict[str, set[str]]:
    """Per command, the first words of the code spans in the first column of its table."""
    text = REFERENCE.read_text(encoding="utf-8")
    headings = [(m.start(), m[1]) for m in re.finditer(r"^#+ `(himmel[^`]*)`$", text, re.MULTILINE)]
    ends = [m.start() for m in re.finditer(r"^#+ ", text, re.MULTILINE)] + [len(text)]
    sections = {name: text[start : next(end for end in ends if end > start)] for start, name in headings}
    return {name: set(_first_column(section)) for name, section in sections.items()}


def _first_column(section: str) -> list[str]:
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("|")]
    return [span.split()[0] for cell in cells for span in re.findall(r"`([^`]+)`", cell)]


def real_commands(command: Any, name: str = "himmel") -> dict[str, set[str]]:
    """Per command, its options and the names of its arguments, asked of the command line itself."""
    found = {name: {word for parameter in command.params for word in _words_of(parameter)}}
    for child_name, child in getattr(command, "commands", {}).items():
        found |= real_commands(child, f"{name} {child_name}")
    return found


def _words_of(parameter: Any) -> list[str]:
    if parameter.param_type_name == "argument":
        return [str(parameter.metavar or parameter.name.upper())]
    return [*parameter.opts, *parameter.secondary_opts]


def test_the_reference_knows_every_command_and_no_other() -> None:
    assert set(documented_commands()) == set(real_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("command", sorted(real_commands(typer.main.get_command(app))))
def test_the_reference_knows_every_option_and_no_other(command: str) -> None:
    assert documented_commands().get(command) == real_commands(typer.main.get_command(app))[command]


def test_every_option_says_what_it_is_for() -> None:
    silent = [
        f"{name} {parameter.opts[0]}"
        for name, command in _walk(typer.main.get_command(app))
        for parameter in command.params
        if not (parameter.help or "").strip()
    ]
    assert not silent


def _walk(command: Any, name: str = "himmel") -> list[tuple[str, Any]]:
    children = getattr(command, "commands", {}).items()
    return [(name, command), *(pair for child, c in children for pair in _walk(c, f"{name} {child}"))]


def test_the_reference_knows_every_environment_variable_and_no_other() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    read = set(re.findall(r"(?:environ\.get\(|environ\[|getenv\()\s*[\"']([A-Z_]+)[\"']", source))
    section = REFERENCE.read_text(encoding="utf-8").split("\n## Environment variables\n")[1].split("\n## ")[0]
    assert set(_first_column(section)) == read


def test_the_tree_in_the_readme_has_a_line_for_every_file_and_no_other() -> None:
    tree = re.search(r"```\nsrc/himmel/\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert tree is not None
    folder, shown = "", set()
    for line in tree[1].splitlines():
        indent, name = len(line) - len(line.lstrip()), line.split()[0]
        folder = name if name.endswith("/") else "" if indent == 2 else folder
        if name.endswith(".py"):
            shown.add(folder + name)
    package = ROOT / "src" / "himmel"
    real = {p.relative_to(package) for p in package.rglob("*.py") if p.name != "__init__.py"}
    assert shown == {path.as_posix() for path in real if "migrations" not in path.parts}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_shown_in_examples_exist_with_their_options(page: Path) -> None:
    real = real_commands(typer.main.get_command(app))
    blocks = "\n".join(re.findall(r"```(?:sh|console)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
    for line in blocks.replace("\\\n", " ").splitlines():
        for words in re.findall(r"(?:^|[\s/])(himmel(?: [a-z]+)*)(?=\s|$)(.*)", line):
            command = next((n for n in _prefixes(words[0]) if n in real), None)
            assert command, f"{page.name}: {line}"
            options = set(re.findall(r"(?<=\s)(--?[a-z][a-z-]*)", re.sub(r"\"[^\"]*\"|'[^']*'", "", words[1])))
            assert options <= real[command] | {"--help", "-h"}, f"{page.name}: {line}"


def _prefixes(command: str) -> list[str]:
    """``himmel models words`` → itself, ``himmel models``, ``himmel``: the longest that is a command counts."""
    words = command.split()
    return [" ".join(words[:n]) for n in range(len(words), 0, -1)]


def test_every_file_that_a_page_names_exists() -> None:
    for page in PAGES:
        named = re.findall(r"`((?:src|docs|tests|runs)/[^`\s]+)`", page.read_text(encoding="utf-8"))
        assert [name for name in named if not list(ROOT.glob(name.rstrip("/")))] == [], page


def test_what_examples_in_python_import_exists() -> None:
    blocks = "\n".join(
        block for page in PAGES for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    )
    imports = re.findall(r"^from (himmel[\w.]*) import (.+)$", blocks, re.MULTILINE)
    assert imports
    for module, names in imports:
        for name in names.split(", "):
            assert hasattr(importlib.import_module(module), name), f"{module}.{name}"


def test_headings_of_a_page_never_skip_a_level() -> None:
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        levels = [len(m) for m in re.findall(r"^(#+) ", text, re.MULTILINE)]
        assert levels[0] == 1 and all(after <= before + 1 for before, after in pairwise(levels)), page


def test_the_reference_knows_every_setting_of_the_server_with_its_meaning_and_default() -> None:
    section = REFERENCE.read_text(encoding="utf-8").split("\n## Settings of the server\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    shown = {row[0].strip("`"): (row[1].strip("`"), row[2], row[3] if len(row) > 3 else "") for row in rows}
    assert shown == {f.name: (variable(f.name), MEANING[f.name], str(f.default)) for f in fields(Settings)}


def _tables(page: Path) -> list[list[list[str]]]:
    """The rows of every table, its heading first, as cells without their code marks."""
    blocks = re.findall(r"(?:^\|.*\n)+", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [
        [[cell.replace("`", "").strip() for cell in row.strip("|").split("|")] for row in block.splitlines()]
        for block in blocks
    ]


def _table(page: Path, heading: str) -> list[list[str]]:
    return next(rows[2:] for rows in _tables(page) if rows[0][0] == heading)


def test_the_page_of_the_api_knows_every_route_and_no_other(tmp_path: Path) -> None:
    server = Server.opened(Settings(data_dir=tmp_path))
    paths = make_app(server).openapi()["paths"].items()
    server.database.close()
    real = {f"{method.upper()} {path}" for path, methods in paths for method in methods}
    assert {row[0] for row in _table(VIDEOS_API, "Route")} == real


def test_the_page_of_the_api_knows_every_field_and_no_other() -> None:
    body = {row[0] for row in _table(VIDEOS_API, "Field")}
    assert body == {*CreateVideo.model_fields, "input_reference"}
    remakes = {name for model in (EditVideo, ExtendVideo, RemixVideo) for name in model.model_fields}
    own = remakes - set(Prompted.model_fields) | {"video"}
    assert {row[0] for row in _table(VIDEOS_API, "Field of a remake")} == own
    assert {row[0] for row in _table(VIDEOS_API, "Field of himmel")} == set(Himmel.model_fields)


def test_the_page_of_the_api_knows_every_error_and_no_other() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "src/himmel/studio").glob("*.py")]
    real = {found for source in sources for found in re.findall(r"ApiError\(\s*(\d{3}),\s*\"(\w+)\"", source)}
    real |= {("400", "invalid_body"), ("404", "not_found"), ("405", "method_not_allowed")}  # the framework's own
    real |= {("400", f"invalid_{word}") for word, _ in WORDS.values()}  # the intake's
    real |= {("413", f"{word}_too_large") for word, _ in WORDS.values()}
    assert {(row[0], row[1]) for row in _table(VIDEOS_API, "Status")} == real
