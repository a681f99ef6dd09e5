"""Decodes one upload of a stranger, and says what it is: ``python -m himmel.media.probe picture LIMITS < upload``.

Owns: what happens inside the limited child process. It opens nothing: the upload is its standard input, the answer its
standard output, one line of JSON, which for a picture is followed by a clean PNG of it, for a
film (a clip with its pictures) by thumbnail and sheet. Limits are JSON, see :class:`Limits`. A decoder that is led
astray meets the limits of memory and time here, and dies alone. Knows nothing of servers and jobs; who asks stands in
``himmel.studio.intake``.
"""

from __future__ import annotations

import errno
import io
import json
import os
import resource
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

from himmel.errors import BadRequest

LARGEST_SIDE = 2048  # pixels: more than a first frame is drawn at; a larger picture is made smaller
PICTURES = ("JPEG", "PNG", "WEBP")
CODECS = ("h264", "hevc", "vp9", "av1", "mpeg4")
MOST_SCANS = 100  # of a JPEG; each is work for every pixel, and the usual has ten
OPEN_FILES = 3  # the standard ones: no file, no socket, nothing else can be opened
NO_ROOM = 73  # the exit status where the answer could not be written: nothing is wrong with the upload
ANSWER_BYTES = 32 << 20  # more than a PNG of the largest size, were it noise


class TooLarge(BadRequest):
    """An upload that may be sound, but is more than is allowed."""


@dataclass(frozen=True)
class Limits:
    """How large an upload may be (``frames`` and ``seconds`` of a clip), and what it may cost: bytes, CPU seconds."""

    pixels: int
    memory: int
    cpu: int
    frames: int = 1
    seconds: float = 0.0


def confine(limits: Limits) -> None:
    """Give this process up to its limits, for good. What shall be imported has been imported before."""
    hard = {
        "CORE": 0,
        "CPU": limits.cpu,
        "FSIZE": ANSWER_BYTES,
        "NOFILE": OPEN_FILES,
        "NPROC": 0,
        "DATA": limits.memory,
        "AS": limits.memory + (512 << 20),  # the libraries' own code is mapped too
    }
    for name, value in hard.items():
        with suppress(ValueError, OSError):  # a system that does not know it
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))


def load_for(kind: str) -> None:
    """Import all that decoding a ``kind`` needs, while files may still be opened."""
    if kind in ("clip", "film"):
        import av.subtitles.stream  # noqa: F401  (PyAV would import it at the first file)
    if kind == "film":
        from PIL import Image, JpegImagePlugin, WebPImagePlugin  # noqa: F401

        from himmel.media.film import Film  # noqa: F401

        Image.preinit()
    if kind == "picture":
        from PIL import Image, ImageOps, MpoImagePlugin, TiffImagePlugin, WebPImagePlugin  # noqa: F401

        Image.preinit()


def read_picture(source: BinaryIO, limits: Limits) -> tuple[dict[str, Any], bytes]:
    """What a picture is, and the first of its pictures as a PNG: upright, on white, without metadata.

    Raises BadRequest (TooLarge).
    """
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = limits.pixels
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        with Image.open(source, formats=PICTURES) as image:  # reads the header alone
            kind, (width, height) = str(image.format), image.size
            dear = kind == "WEBP" or image.mode.endswith("A")  # decoding these takes twice the memory
            if width * height * (1 + dear) > limits.pixels:
                raise _too_many_pixels(f"{width}x{height}", limits, "half of it with transparency or as WebP")
            if kind in ("JPEG", "MPO") and _scans(source) > MOST_SCANS:
                raise TooLarge(f"it has more than {MOST_SCANS} scans")
            image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
            upright = _on_white(ImageOps.exif_transpose(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels("it", limits) from None
    except MemoryError:
        raise TooLarge("it takes too much memory to decode") from None
    except BadRequest:
        raise
    except Exception as error:  # the decoders raise what they like
        raise BadRequest(f"it is damaged, or no JPEG, PNG or WebP picture ({type(error).__name__})") from None
    upright.info.clear()
    clean = io.BytesIO()
    upright.save(clean, "PNG", compress_level=1)
    return {"kind": kind.lower(), "width": upright.width, "height": upright.height}, clean.getvalue()


def _scans(source: BinaryIO) -> int:
    """How often a JPEG begins a scan; the file stands where it stood."""
    stood = source.tell()
    source.seek(0)
    count = sum(part.count(b"\xff\xda") for part in iter(lambda: source.read(1 << 20), b""))
    source.seek(stood)
    return count


def _on_white(image: Any) -> Any:
    from PIL import Image

    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    seen = image.convert("RGBA")
    canvas = Image.new("RGB", seen.size, "white")
    canvas.paste(seen, mask=seen.getchannel("A"))
    return canvas


def read_film(source: BinaryIO, limits: Limits) -> tuple[dict[str, Any], bytes]:
    """What a clip is, and its thumbnail and sheet; of the former the answer tells the bytes. Raises BadRequest."""
    from himmel.media.film import Film

    film = Film()
    found = read_clip(source, limits, film.see)
    thumbnail, sheet = film.pictures()
    return found | {"thumbnail": len(thumbnail)}, thumbnail + sheet


def read_clip(source: BinaryIO, limits: Limits, see: Callable[[Any], None] = lambda frame: None) -> dict[str, Any]:
    """What a clip is, upright, every frame decoded and shown to ``see``. Raises BadRequest (TooLarge)."""
    import av

    try:
        # No protocol may be followed: what an MP4 says of other files and addresses stays unread.
        with av.open(source, format="mov", options={"protocol_whitelist": "none"}) as container:
            return _decoded(container, limits, see)
    except (MemoryError, av.error.MemoryError):
        raise TooLarge("it takes too much memory to decode") from None
    except BadRequest:
        raise
    except Exception as error:
        raise BadRequest(f"it is damaged, or no MP4 video ({type(error).__name__})") from None


def _decoded(container: Any, limits: Limits, see: Callable[[Any], None]) -> dict[str, Any]:
    if not container.streams.video:
        raise BadRequest("it has no pictures in it")
    stream = container.streams.video[0]
    context = stream.codec_context
    if context.name not in CODECS and context.codec.canonical_name not in CODECS:
        raise BadRequest(f"its codec is {context.name}; allowed: {', '.join(CODECS)}")
    _check_clip(context.width, context.height, stream.frames, (container.duration or 0) / 1e6, limits)
    context.thread_count = 1
    context.options = {"max_pixels": str(limits.pixels)}
    count, first, last = 0, None, 0.0
    for frame in container.decode(stream):
        count += 1
        last = float(frame.time or 0.0)
        first = last if first is None else first
        _check_clip(frame.width, frame.height, count, last - first, limits)
        see(frame)
    if first is None:
        raise BadRequest("it has no frames in it")
    seconds = last - first + float(1 / (stream.average_rate or count))
    width, height = (frame.height, frame.width) if frame.rotation % 180 else (frame.width, frame.height)
    return {"kind": "mp4", "width": width, "height": height, "frames": count, "seconds": round(seconds, 3)}


def _check_clip(width: int, height: int, frames: int, seconds: float, limits: Limits) -> None:
    if width * height > limits.pixels:
        raise _too_many_pixels(f"{width}x{height}", limits)
    if frames > limits.frames or seconds > limits.seconds:
        raise TooLarge(f"it is too long; allowed: {limits.frames} frames, {limits.seconds:g} seconds")


def _too_many_pixels(what: str, limits: Limits, more: str = "") -> TooLarge:
    return TooLarge(", ".join(filter(None, (f"{what} has too many pixels; allowed: {limits.pixels}", more))))


def main(kind: str, limits: Limits) -> None:
    """Answer for the upload on standard input."""
    load_for(kind)
    confine(limits)
    source, content = sys.stdin.buffer, b""
    try:
        source.seek(0)
        if kind == "clip":
            found = read_clip(source, limits)
        elif kind == "film":
            found, content = read_film(source, limits)
        else:
            found, content = read_picture(source, limits)
    except BadRequest as error:
        found = {"error": str(error), "too_large": isinstance(error, TooLarge)}
    try:
        sys.stdout.buffer.write(json.dumps(found).encode() + b"\n" + content)
        sys.stdout.buffer.flush()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            os._exit(NO_ROOM)  # at once: Python would try to write the rest again
        raise


if __name__ == "__main__":
    main(sys.argv[1], Limits(**json.loads(sys.argv[2])))
