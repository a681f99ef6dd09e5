"""Contact sheets: a few frames of many clips with captions under them, as one picture to look at.

Owns: the layout. Knows nothing of models, and no torch.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from himmel.media.output_file import disk_errors, new_file

MARGIN = 8  # pixels between clips
GAP = 2  # pixels between the frames of a clip
FONT_SIZE = 13
CAPTION_LINES = 2


def write_contact_sheet(
    path: Path,
    clips: Sequence[tuple[str, np.ndarray]],
    *,
    frames_per_clip: int = 5,
    columns: int = 2,
    frame_width: int = 128,
) -> None:
    """Write a PNG with, for every clip, frames evenly spaced in time side by side and its caption under them.

    ``clips`` are pairs of a caption and uint8 frames (n, H, W, 3); they may differ in size. ``columns`` clips
    stand next to each other. ``frame_width`` is in pixels; heights keep the clip's proportions.
    Raises CannotWrite.
    """
    if not clips:
        raise ValueError("a contact sheet needs at least one clip")
    strips = [_strip(caption, frames, frames_per_clip, frame_width) for caption, frames in clips]
    with new_file(path) as part, disk_errors(path):
        _grid(strips, columns).save(part, format="PNG")


def _strip(caption: str, frames: np.ndarray, count: int, frame_width: int) -> Image.Image:
    """One clip: its frames in a row, its caption below."""
    height = max(1, round(frame_width * frames.shape[1] / frames.shape[2]))
    picked = frames[np.linspace(0, len(frames) - 1, count).round().astype(int)]
    font = ImageFont.load_default(FONT_SIZE)
    line_height = FONT_SIZE + 4
    strip = Image.new("RGB", (count * (frame_width + GAP) - GAP, height + CAPTION_LINES * line_height + 4), "white")
    for index, frame in enumerate(picked):
        small = Image.fromarray(frame).resize((frame_width, height), Image.Resampling.LANCZOS)
        strip.paste(small, (index * (frame_width + GAP), 0))
    draw = ImageDraw.Draw(strip)
    letters = max(10, int(strip.width / (font.getlength("n") or 1)))
    lines = textwrap.wrap(caption, letters, max_lines=CAPTION_LINES, placeholder=" …")
    for index, line in enumerate(lines):
        draw.text((2, height + 3 + index * line_height), line, fill="black", font=font)
    return strip


def _grid(strips: list[Image.Image], columns: int) -> Image.Image:
    columns = min(columns, len(strips))
    width = max(strip.width for strip in strips)
    height = max(strip.height for strip in strips)
    rows = -(-len(strips) // columns)
    sheet = Image.new("RGB", (MARGIN + columns * (width + MARGIN), MARGIN + rows * (height + MARGIN)), "white")
    for index, strip in enumerate(strips):
        row, column = divmod(index, columns)
        sheet.paste(strip, (MARGIN + column * (width + MARGIN), MARGIN + row * (height + MARGIN)))
    return sheet
