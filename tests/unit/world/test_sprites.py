"""The atlas: fitted, facing right, built once. The test draws its own art and packs it as the registries do."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw

from himmel.errors import BadRequest, MissingAsset
from himmel.world import sprites
from himmel.world.archives import ARCHIVES, Archive
from himmel.world.sprites import Atlas, atlas_for, build_atlas, facing_right, fitted
from himmel.world.vocabulary import Vocabulary
from himmel.world.walks import ARCHIVE, FRAMES, paths


def arrow(side: int = 40) -> Image.Image:
    """A red blob whose heavy head is on the left, with much empty room around it."""
    picture = Image.new("RGBA", (side, side))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((4, 14, 16, 26), fill="red")
    draw.rectangle((16, 19, 30, 21), fill="red")
    return picture


def pack(cache: Path, style: str, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Put an archive of these files where the real one of this style would lie."""
    path = cache / "archives" / ARCHIVES[style].file_name
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    pinned = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(ARCHIVES, style, Archive(ARCHIVES[style].package, ARCHIVES[style].version, pinned))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with a cat (published facing left) and a rocket (facing right) in 3D, and a cat in flat."""
    webp = io.BytesIO()
    arrow().save(webp, "WEBP", lossless=True)
    names = ("package/assets/1f408.webp", "package/assets/1f680.webp", "package/assets/2708-fe0f.webp")
    pack(tmp_path, "3d", dict.fromkeys(names, webp.getvalue()), monkeypatch)
    icons = {
        "icons": {"cat": {"body": '<circle cx="8" cy="16" r="8" fill="#00f"/><path d="M16 15h16v2h-16z"/>'}},
        "aliases": {"kitty": {"parent": "cat"}},
        "width": 32,
        "height": 32,
    }
    drawings = {"package/chars.json": {"1f408": "kitty"}, "package/icons.json": icons}
    pack(tmp_path, "flat", {name: json.dumps(table).encode() for name, table in drawings.items()}, monkeypatch)
    return tmp_path


@pytest.fixture
def walker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with a man: a red head that stays, and a foot that steps to the right from picture to picture."""
    wheel = tmp_path / "archives" / ARCHIVES[ARCHIVE].file_name
    wheel.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(wheel, "w") as file:
        for number, path in enumerate(paths("man")):
            picture = Image.new("RGBA", (24, 32))
            draw = ImageDraw.Draw(picture)
            draw.rectangle((10, 4, 13, 20), fill="red")
            draw.rectangle((2 + 2 * number, 26, 4 + 2 * number, 29), fill="blue")
            data = io.BytesIO()
            picture.save(data, "PNG")
            file.writestr(path, data.getvalue())
    pinned = hashlib.sha256(wheel.read_bytes()).hexdigest()
    monkeypatch.setitem(ARCHIVES, ARCHIVE, replace(ARCHIVES[ARCHIVE], sha256=pinned))
    return tmp_path


def heavier_side(alpha: torch.Tensor) -> str:
    half = alpha.shape[-1] // 2
    return "left" if alpha[:, :half].sum() > alpha[:, half:].sum() else "right"


def test_the_atlas_holds_every_noun_in_every_style(cache: Path) -> None:
    atlas = build_atlas(["cat", "rocket", "airplane"], ["3d", "sketch"], cache, size=32)
    assert atlas.pixels.shape == (6, 4, 32, 32) and atlas.pixels.dtype == torch.uint8
    assert atlas.keys[atlas.index("rocket", "sketch")] == ("rocket", "sketch")


@pytest.mark.parametrize("style", ["3d", "flat", "silhouette", "paper", "pixel_art", "sketch", "watercolour"])
def test_a_cat_that_was_published_facing_left_faces_right(cache: Path, style: str) -> None:
    atlas = build_atlas(["cat"], [style], cache, size=32)
    assert heavier_side(atlas.pixels[0, 3].float()) == "right"


def test_what_was_published_facing_right_is_left_alone(cache: Path) -> None:
    atlas = build_atlas(["rocket"], ["3d"], cache, size=32)
    assert heavier_side(atlas.pixels[0, 3].float()) == "left"  # the drawn test shape itself has its weight left


def test_colours_come_through_straight(cache: Path) -> None:
    atlas = build_atlas(["cat"], ["3d"], cache, size=32)
    solid = atlas.pixels[0, 3] > 250
    red, green, blue = (atlas.pixels[0, channel][solid].float().mean() for channel in range(3))
    assert red > 240 and green < 15 and blue < 15


def test_an_atlas_is_built_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build_atlas(["cat"], ["3d"], cache, size=32)
    monkeypatch.setattr(sprites, "find", lambda *args: pytest.fail("built again"))
    again = build_atlas(["cat"], ["3d"], cache, size=32)
    assert again.keys == first.keys and torch.equal(again.pixels, first.pixels)


def test_a_vocabulary_gets_the_panoramas_among_its_settings(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strips = {"park": torch.zeros(3, 8, 34, dtype=torch.uint8)}
    monkeypatch.setattr(sprites, "build_panoramas", lambda keys, cache: {key: strips[key] for key in keys})
    painted = Vocabulary(nouns=("cat",), styles=("3d",), settings=("beach",))
    assert atlas_for(painted, cache).panoramas == {}
    both = atlas_for(replace(painted, settings=("beach", "park")), cache)
    assert both.keys == (("cat", "3d"),) and both.panoramas == strips


def test_a_walk_cycle_is_fitted_as_one(walker: Path) -> None:
    atlas = build_atlas(["man"], ["cartoon"], walker, size=32)
    cycle = atlas.cycle("man", "cartoon")
    assert len(cycle) == FRAMES + 1 and cycle[0] == atlas.index("man", "cartoon")
    heads, feet = ((atlas.pixels[cycle, ink] > 200) & (atlas.pixels[cycle, 3] > 250) for ink in (0, 2))
    assert all(torch.equal(head, heads[0]) for head in heads)
    across = [foot.any(0).nonzero().float().mean().item() for foot in feet]
    assert across == sorted(across) and across[-1] - across[0] > 8


def test_only_those_who_walk_change_the_atlas_s_name(walker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def names() -> list[str]:
        return [sprites._digest(nouns, [style], 32) for nouns, style in ((["cat"], "cartoon"), (["man"], "3d"))]

    before, walking = names(), sprites._digest(["man"], ["cartoon"], 32)
    monkeypatch.setitem(ARCHIVES, ARCHIVE, replace(ARCHIVES[ARCHIVE], sha256="0" * 64))
    assert names() == before and sprites._digest(["man"], ["cartoon"], 32) != walking


def test_an_atlas_survives_saving(tmp_path: Path) -> None:
    atlas = Atlas((("cat", "3d"),), torch.arange(4 * 8 * 8, dtype=torch.uint8).view(1, 4, 8, 8))
    atlas.save(tmp_path / "deep" / "atlas.safetensors")
    loaded = Atlas.load(tmp_path / "deep" / "atlas.safetensors")
    assert loaded.keys == atlas.keys and torch.equal(loaded.pixels, atlas.pixels)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["atlas.safetensors"]


def test_a_damaged_atlas_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "atlas.safetensors"
    path.write_bytes(b"not an atlas")
    with pytest.raises(MissingAsset):
        Atlas.load(path)


def test_unknown_words_and_absent_pictures_have_their_errors(cache: Path) -> None:
    with pytest.raises(BadRequest, match="unknown nouns: quokka"):
        build_atlas(["quokka"], ["3d"], cache)
    with pytest.raises(BadRequest, match="unknown style 'oil'"):
        build_atlas(["cat"], ["oil"], cache)
    with pytest.raises(MissingAsset, match="the picture of 'dog' in style '3d'"):
        build_atlas(["dog"], ["3d"], cache)
    with pytest.raises(MissingAsset, match="noto"):
        build_atlas(["cat"], ["cartoon"], cache)


def test_fitted_pictures_stand_on_the_lower_margin() -> None:
    alpha = torch.tensor(list(fitted(arrow(), 64).getchannel("A").tobytes())).view(64, 64) > 8
    rows, columns = alpha.any(1).nonzero().flatten(), alpha.any(0).nonzero().flatten()
    assert (columns[0], columns[-1]) == (2, 61)  # the longer side fills all but the margin
    assert rows[-1] == 61 and rows[0] > 20  # wide, so it stands low


def test_an_empty_picture_is_refused() -> None:
    with pytest.raises(MissingAsset):
        fitted(Image.new("RGBA", (8, 8)), 8)


def test_only_what_looks_left_is_mirrored() -> None:
    picture = arrow()
    assert facing_right(picture, "left").tobytes() != picture.tobytes()
    assert facing_right(picture, "front").tobytes() == facing_right(picture, "right").tobytes() == picture.tobytes()


def test_what_an_atlas_does_not_hold_is_named() -> None:
    atlas = Atlas((("cat", "3d"), ("dog", "3d")), torch.zeros(2, 4, 8, 8, dtype=torch.uint8))
    assert atlas.index("dog", "3d") == 1
    with pytest.raises(MissingAsset, match="'dog' in style 'sketch'"):
        atlas.index("dog", "sketch")
