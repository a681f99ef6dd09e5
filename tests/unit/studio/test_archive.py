"""Zips of strangers: what leads out, links, lies and grows is refused before it is read."""

import io
import zipfile

import pytest

from himmel.errors import BadRequest
from himmel.studio.archive import Archive
from himmel.studio.said import said_of


def zipped(names, pack=zipfile.ZIP_STORED):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", pack) as made:
        for name, content in names:
            made.writestr(name, content)
    target.seek(0)
    return target


def link():
    info = zipfile.ZipInfo("a.mp4")
    info.external_attr = 0o120777 << 16
    return info


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ([("../a.mp4", b"")], "leads out"),
        ([("/a.mp4", b"")], "leads out"),
        ([("x\\..\\a.mp4", b"")], "leads out"),
        ([("C:/a.mp4", b"")], "leads out"),
        ([(link(), b"/etc/passwd")], "a link"),
    ],
)
def test_names_that_lead_elsewhere_are_refused(names, why):
    with pytest.raises(BadRequest, match=why):
        Archive(zipped(names))


def test_a_bomb_is_refused():
    with pytest.raises(BadRequest, match="far larger"):
        Archive(zipped([("a.mp4", bytes(20_000_000))], zipfile.ZIP_DEFLATED))


def test_what_is_damaged_is_named():
    data = bytearray(zipped([("a.mp4", b"x" * 1000)]).getvalue())
    data[500] ^= 255
    archive = Archive(io.BytesIO(bytes(data)))
    with pytest.raises(BadRequest, match=r"damaged at 'a\.mp4'"), archive.opened(archive.entries[0]):
        pass
    with pytest.raises(BadRequest, match="no zip"):
        Archive(io.BytesIO(bytes(data[:600])))


def test_a_folder_is_read_and_its_links_are_not(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.mp4").write_bytes(b"s")
    (tmp_path / "in" / "a.mp4").write_bytes(b"a")
    (tmp_path / "in" / "b.mp4").symlink_to(tmp_path / "secret.mp4")
    assert [entry.name for entry in Archive(tmp_path / "in").entries] == ["a.mp4"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("clip_0123456.json", b'{"prompt": "a cat"}'),
        ("clip_0123456.txt", b"a cat\n"),
        ("all.csv", "\ufefffile,Prompt\nvideos/clip_0123456.mp4,a cat\n".encode()),
        ("all.jsonl", b'{"id": "0123456", "caption": "a cat"}\n{"id": "other", "caption": "a dog"}\n'),
        ("all.json", b'{"clip_0123456.mp4": "a cat"}'),
        ("all.json", b'[{"prompt": "a cat", "out": [{"url": "https://x/clip_0123456.mp4?sig=1"}]}]'),
    ],
)
def test_prompts_are_found_beside_clips_in_many_forms(name, text):
    archive = Archive(zipped([("v/clip_0123456.mp4", b"x"), ("v/clip_7777777.mp4", b"x"), (name, text)]))
    clips = [entry for entry in archive.entries if entry.ending == ".mp4"]
    assert {clip: one["prompt"] for clip, one in said_of(archive, clips).items()} == {"v/clip_0123456.mp4": "a cat"}


@pytest.mark.parametrize("name", ["clip_0123456.txt", "all.csv"])
def test_a_prompt_that_no_export_could_say_again_is_none(name):
    text = b"a \0cat" if name.endswith(".txt") else b"file,prompt\nclip_0123456.mp4,a \0cat\n"
    archive = Archive(zipped([("clip_0123456.mp4", b""), (name, text)]))
    assert said_of(archive, [entry for entry in archive.entries if entry.ending == ".mp4"]) == {}
