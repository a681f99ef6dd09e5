"""What of a clip may change: a picture in black and white, or a box.

Owns: reading both, and fitting them to the size that a model works at exactly as the clip itself is fitted. A mask is a
bool array (H, W), true where the picture changes. Knows nothing of models, and no torch.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from himmel.errors import BadRequest, UnreadableMedia
from himmel.media.scaling import crop_to
from himmel.spec import Size

NUMBER = r"\s*(\d+(?:\.\d+)?%?)\s*"
BOX = re.compile(",".join([NUMBER] * 4))
HOW_BOXES_ARE = "allowed: left,top,width,height in pixels (10,20,64,48) or percent (10%,20%,50%,50%)"
GREYEST = 64  # how far a mask's red, green and blue may lie apart: a photograph given by mistake is more colourful
FEW = 0.02  # the share of its pixels that may be colourful nevertheless


def is_box(given: str) -> bool:
    """Whether a mask is given as a box, rather than as a picture."""
    return BOX.fullmatch(given) is not None


def read_mask(given: str, *, width: int, height: int, size: Size) -> np.ndarray:
    """The mask that ``given`` names, for a clip of ``width`` x ``height`` pixels that is fitted to ``size``.

    ``given`` is a box, ``"left,top,width,height"`` in the clip's pixels or in percent, or else the path of a picture:
    white changes, black and transparent stay, and grey changes from the middle on. The picture has the clip's
    proportions. Bool (H, W) of ``size``, scaled and cropped like the clip's frames. Raises BadRequest for a box outside
    the clip, a picture of other proportions, and a mask that changes nothing; UnreadableMedia.
    """
    grey = _drawn(box, width, height) if (box := box_of(given, width, height)) else _read_picture(given, width, height)
    mask = crop_to(np.repeat(grey[..., None], 3, axis=-1), size)[..., 0] >= 128
    if not mask.any():
        raise BadRequest(f"mask '{given}' changes nothing of the picture at {size}; white changes, black stays")
    return mask


def box_of(given: str, width: int, height: int) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of a box in a clip of so many pixels; None for what is the path of a picture.

    Raises BadRequest for a box that cannot be read or does not lie in the clip.
    """
    found = BOX.fullmatch(given)
    if found is None:
        if given.count(",") == 3 and not Path(given).suffix:
            raise BadRequest(f"box '{given}' is not understood; {HOW_BOXES_ARE}")
        return None
    left, top, wide, high = (
        float(text[:-1]) / 100 * side if text.endswith("%") else float(text)
        for text, side in zip(found.groups(), (width, height, width, height), strict=True)
    )
    right, bottom = round(left + wide), round(top + high)
    if right > width or bottom > height or right <= round(left) or bottom <= round(top):
        raise BadRequest(f"box '{given}' does not lie in the clip of {width}x{height}; {HOW_BOXES_ARE}")
    return round(left), round(top), right, bottom


def _drawn(box: tuple[int, int, int, int], width: int, height: int) -> np.ndarray:
    """White on black, uint8 (height, width)."""
    left, top, right, bottom = box
    grey = np.zeros((height, width), np.uint8)
    grey[top:bottom, left:right] = 255
    return grey


def _read_picture(given: str, width: int, height: int) -> np.ndarray:
    """uint8 (h, w), of the proportions of ``width`` x ``height``, else BadRequest."""
    path = Path(given)
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image).convert("RGBA")
    except FileNotFoundError:
        raise UnreadableMedia(path, f"there is no such mask; or a box: {HOW_BOXES_ARE}") from None
    except UnidentifiedImageError:
        raise UnreadableMedia(path, "a mask is a picture: PNG, JPEG or WebP") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableMedia(path, getattr(error, "strerror", None) or str(error)) from error
    # As large as it would be were it scaled to the clip, give or take the rounding of one pixel.
    if abs(upright.width * height - upright.height * width) > max(width, height, upright.width, upright.height):
        raise BadRequest(
            f"mask '{path}' is {upright.width}x{upright.height}, the clip is {width}x{height}; "
            "allowed: the clip's size, or its proportions"
        )
    canvas = Image.new("RGBA", upright.size, "black")
    pixels = np.asarray(Image.alpha_composite(canvas, upright).convert("RGB"))
    if (np.ptp(pixels, axis=-1) > GREYEST).mean() > FEW:
        raise BadRequest(f"'{path}' is a picture in colours, not a mask: white changes, black stays")
    return pixels.mean(axis=-1).round().astype(np.uint8)
