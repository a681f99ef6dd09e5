"""The credits manifest, made from the archives themselves: what each picture's file is, and its checksum.

Owns: the facts about each source (author, notice, licence, evidence, changes) and writing ``credits.json``.
Run it after any change of archives, nouns or panoramas: ``python -m himmel.world.manifest``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from himmel.world import walks
from himmel.world.archives import ARCHIVES, cache_folder, read_files
from himmel.world.artwork import find, find_walks
from himmel.world.credits import MANIFEST
from himmel.world.nouns import DRAWING_STYLES, NOUNS
from himmel.world.panoramas import PANORAMAS

_MICROSOFT: dict[str, object] = {
    "upstream_url": "https://github.com/microsoft/fluentui-emoji",
    "authors": ["Microsoft Corporation"],
    "copyright_notice": "Copyright (c) Microsoft Corporation.",
    "license_spdx": "MIT",
    "license_text": "licences/MIT-Microsoft.txt",
    "tier": "permissive",
}
_MOVED = "in training clips scaled, moved, turned, recoloured and lit"
_DRAWN = "rasterised, cut to its outline, mirrored where it faced left"

# What holds for every picture of a source. Style by style as in ARCHIVES.
SOURCES: dict[str, dict[str, object]] = {
    "3d": _MICROSOFT
    | {
        "license_evidence": "The package carries Microsoft's Fluent emoji without a licence file. Only pictures whose "
        "code point is in the list of Microsoft's own repository (fluentui-emoji-js 1.2.1, emojiData.json) are used; "
        "package/info.json of @iconify-json/fluent-emoji-flat names MIT for that repository.",
        "changes_made": f"Scaled, cut to its outline, mirrored where it faced left; also restyled as silhouette and "
        f"sketch; {_MOVED}.",
    },
    "flat": _MICROSOFT
    | {
        "license_evidence": "package/info.json names MIT and github.com/microsoft/fluentui-emoji/blob/main/LICENSE.",
        "changes_made": f"{_DRAWN.capitalize()}; also restyled as paper, pixel art and watercolour; {_MOVED}.",
    },
    "line_art": _MICROSOFT
    | {
        "license_evidence": "package/info.json names MIT and github.com/microsoft/fluentui-emoji/blob/main/LICENSE.",
        "changes_made": f"{_DRAWN.capitalize()}, filled with white; {_MOVED}.",
    },
    "cartoon": {
        "upstream_url": "https://github.com/googlefonts/noto-emoji",
        "authors": ["Google Inc."],
        "copyright_notice": "Copyright 2013 Google, Inc. All Rights Reserved.",
        "license_spdx": "Apache-2.0",
        "license_text": "licences/Apache-2.0.txt",
        "license_evidence": "package/info.json names Apache 2.0; svg/LICENSE of the upstream repository says the same "
        "of the drawings (commit 1630d71). The fonts built from them are under the OFL and are not used.",
        "tier": "permissive",
        "changes_made": f"{_DRAWN.capitalize()}; {_MOVED}.",
    },
    "sticker": {
        "upstream_url": "https://github.com/jdecked/twemoji",
        "authors": ["Twitter, Inc and other contributors"],
        "copyright_notice": "Copyright Twitter, Inc and other contributors. Licensed under CC BY 4.0, "
        "https://creativecommons.org/licenses/by/4.0/.",
        "license_spdx": "CC-BY-4.0",
        "license_text": "licences/CC-BY-4.0.txt",
        "license_evidence": "package/info.json names CC BY 4.0; README and LICENSE-GRAPHICS of the upstream repository "
        "say the same of the graphics.",
        "tier": "attribution",
        "changes_made": f"{_DRAWN.capitalize()}; {_MOVED}.",
    },
    "walk_cycles": {
        "style": walks.STYLE,
        "upstream_url": "https://kenney.nl/assets/toon-characters-1",
        "authors": ["Kenney"],
        "copyright_notice": "No rights reserved (CC0); drawn by Kenney, www.kenney.nl, packed by Python Arcade.",
        "license_spdx": "CC0-1.0",
        "license_text": "licences/CC0-1.0.txt",
        "license_evidence": "arcade/resources/assets/images/License.txt says that everything in the package is CC0; "
        "readme.txt beside it names Kenney as the origin.",
        "tier": "permissive",
        "changes_made": f"Scaled; nine pictures, standing and walking, used as an animation; {_MOVED}.",
    },
    "panoramas": {
        "style": "panorama",
        "upstream_url": "https://polyhaven.com/hdris",
        "authors": ["Poly Haven"],
        "copyright_notice": "No rights reserved (CC0); packed by Antoine Bernier and Poimandres.",
        "license_spdx": "CC0-1.0",
        "license_text": "licences/CC0-1.0.txt",
        "license_evidence": "package/LICENSE is CC0 1.0; package/README.md names Poly Haven, which publishes "
        "under CC0, as the origin.",
        "tier": "permissive",
        "changes_made": "Tone mapped, unrolled from a sphere to a strip, broken pixels mended; "
        "in training clips cropped, panned and lit.",
    },
}

# Looked at and left out, though their package is used: (style, code point, concept, names, why).
EXCLUDED = (
    ("1F4CE", "paperclip", ("paperclip", "Büroklammer", "クリップ"), "shows a character that is a trade mark"),
    ("1F9D1-200D-1F4BB", "technologist", ("technologist", "Informatiker", "技術者"), "shows a company's logo"),
    (
        "1F468-200D-1F4BB",
        "man_technologist",
        ("man technologist", "Informatiker", "男性技術者"),
        "shows a company's logo",
    ),
    (
        "1F469-200D-1F4BB",
        "woman_technologist",
        ("woman technologist", "Informatikerin", "女性技術者"),
        "shows a company's logo",
    ),
)


def write_manifest(cache: Path, path: Path = MANIFEST) -> int:
    """Write the manifest of the whole lexicon from the fetched archives; how many rows it has.

    Raises MissingAsset where an archive or a picture is not there.
    """
    drawings = [row for style in DRAWING_STYLES for row in _drawings(style, cache)]
    rows = [*drawings, *_walks(cache), *_excluded(cache), *_panoramas(cache)]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    sources = json.dumps({key: _source(key) for key in SOURCES}, ensure_ascii=False, indent=1)
    path.write_text(f'{{"sources": {sources},\n"assets": [\n{lines}\n]}}\n', encoding="utf-8")
    return len(rows)


def _source(key: str) -> dict[str, object]:
    archive = ARCHIVES[key]
    package = {
        "source_package": archive.package,
        "registry": archive.registry,
        "version": archive.version,
        "archive_sha256": archive.sha256,
    }
    return {"style": key} | package | SOURCES[key] | {"used_for": "training and evaluation"}


def _drawings(style: str, cache: Path) -> list[dict[str, object]]:
    found = find(style, NOUNS.values(), cache)
    return [_row(style, key, artwork.path, artwork.data) for key, artwork in found.items()]


def _walks(cache: Path) -> list[dict[str, object]]:
    """One row per character: all its frames in order, as they are one work."""
    rows = []
    for key, frames in find_walks(walks.STYLE, NOUNS.values(), cache).items():
        shown = frames[0].path.replace("_idle.", f"_{{idle,walk0-{walks.FRAMES - 1}}}.")
        rows.append(_row(walks.ARCHIVE, key, shown, b"".join(frame.data for frame in frames)))
    return rows


def _excluded(cache: Path) -> list[dict[str, object]]:
    any_noun = next(iter(NOUNS.values()))
    rows = []
    for code, concept, (en, de, ja), why in EXCLUDED:
        artwork = find("3d", [replace(any_noun, key=concept, hex=code)], cache)[concept]
        names = {"en": en, "de": de, "ja": ja}
        rows.append(_row("3d", concept, artwork.path, artwork.data) | {"names": names, "excluded_reason": why})
    return rows


def _panoramas(cache: Path) -> list[dict[str, object]]:
    files = read_files(ARCHIVES["panoramas"], cache, {panorama.path for panorama in PANORAMAS.values()})
    return [_row("panoramas", key, panorama.path, files[panorama.path]) for key, panorama in PANORAMAS.items()]


def _row(source: str, concept: str, path: str, data: bytes) -> dict[str, object]:
    title = path.rpartition("#")[2].rpartition("/")[2].split(".")[0]
    digest = hashlib.sha256(data).hexdigest()
    return {"source": source, "concept": concept, "title": title, "path_in_archive": path, "file_sha256": digest}


if __name__ == "__main__":
    print(f"{write_manifest(cache_folder())} credits written to {MANIFEST}")
