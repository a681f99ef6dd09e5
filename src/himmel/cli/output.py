"""Names of the clips that are made.

Owns: the default name, numbering, and what a name may be. Writes nothing.
"""

from __future__ import annotations

import os
import re
from itertools import count
from pathlib import Path

from himmel.errors import BadRequest

SLUG_BYTES = 80  # file systems allow 255 bytes for a name; this leaves room for the rest of it


def clip_paths(output: Path | None, name: str, seeds: range) -> list[Path]:
    """One path per seed.

    A file given by name is used as it is (and replaced), numbered where there are several seeds: clip-1.mp4,
    clip-2.mp4. A folder, or nothing, gives names of ``name`` (a prompt, say) and seed, which never replace a file
    that is there. Raises BadRequest for another ending than .mp4.
    """
    if output is None or os.path.isdir(output):  # Path.is_dir raises where a name is too long
        folder = output or Path()
        return [_free(folder / f"{slug(name)}-seed{seed}.mp4") for seed in seeds]
    if output.suffix.lower() != ".mp4":
        raise BadRequest(f"output '{output}' is no name for a clip; allowed: a name that ends in .mp4, or a folder")
    if len(seeds) == 1:
        return [output]
    return [output.with_name(f"{output.stem}-{number}{output.suffix}") for number in range(1, len(seeds) + 1)]


def slug(prompt: str) -> str:
    """The prompt's words in lower case, joined by hyphens; letters of any script stay. "clip" where none are."""
    text = "-".join(re.findall(r"\w+", prompt.lower()))
    if len(text.encode()) > SLUG_BYTES:
        text = text.encode()[:SLUG_BYTES].decode(errors="ignore")
        text = text.rsplit("-", 1)[0] if "-" in text else text
    return text or "clip"


def _free(path: Path) -> Path:
    """This path, or the first of path-2, path-3, … that no file has."""
    if not path.exists():
        return path
    numbered = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))
    return next(candidate for candidate in numbered if not candidate.exists())
