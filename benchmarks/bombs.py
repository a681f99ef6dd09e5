"""Uploads that are small to send and large to decode, for `fuzz.py` and the tests of what becomes of them."""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from PIL import Image

from himmel.media.video_io import write_video
from himmel.spec import Size


def bombs() -> Iterator[tuple[str, str, bytes]]:
    """Name, kind ("picture" or "clip") and bytes of each."""
    yield "PNG, 50,000 x 50,000 zeros", "picture", png(50_000, 50_000, zlib.compress(bytes(50_000_000)))
    yield "PNG, 5,000 x 5,000 of four channels", "picture", picture("PNG", 5000, "RGBA")
    yield "PNG, a text of 500 MB inside", "picture", png(8, 8, zlib.compress(bytes(8 * 25)), _text_bomb())
    yield "JPEG, says 65,000 x 65,000", "picture", huge_jpeg()
    yield "JPEG, 300 scans over 4,000 x 4,000", "picture", many_scans(300)
    yield "WebP, a canvas of 16,383 x 16,383", "picture", huge_webp()
    yield "WebP, says 16,000,000 x 200", "picture", huge_webp(16_000_000, 200)
    yield "MP4, says 16,384 x 16,384", "clip", huge_mp4()
    yield "MP4, 4,000,000,000 samples in its index", "clip", huge_index()
    yield "MP4 in fragments, 20,000 frames", "clip", long_mp4(20_000)
    yield "MP4, 1,000 boxes deep", "clip", deep_mp4()


def picture(kind: str, side: int = 64, mode: str = "RGB", **options: object) -> bytes:
    """A sound picture of one colour."""
    buffer = io.BytesIO()
    Image.new(mode, (side, side), "orange").save(buffer, kind, **options)
    return buffer.getvalue()


def clip(frames: int = 12, side: int = 64) -> bytes:
    """A sound MP4."""
    grey = (np.full((1, side, side, 3), 10 * n % 256, np.uint8) for n in range(frames))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_video(path, grey, size=Size(side, side), fps=12)
        return path.read_bytes()


def png(width: int, height: int, rows: bytes, more: bytes = b"") -> bytes:
    """A PNG with this header (eight bits, RGB), whatever its rows say; ``more`` are chunks between."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + more + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _text_bomb() -> bytes:
    return _chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(500_000_000), 1))


def huge_jpeg() -> bytes:
    sound = bytearray(picture("JPEG"))
    at = sound.index(b"\xff\xc0") + 5
    sound[at : at + 4] = struct.pack(">HH", 65_000, 65_000)
    return bytes(sound)


def many_scans(count: int) -> bytes:
    """A progressive JPEG that says its last scan again and again."""
    sound = picture("JPEG", 4000, progressive=True)
    last = sound.rindex(b"\xff\xda")
    return sound[:last] + sound[last:-2] * count + b"\xff\xd9"


def huge_webp(width: int = 16_383, height: int = 16_383) -> bytes:
    """An animated WebP whose canvas is far larger than its frames."""
    buffer, frame = io.BytesIO(), Image.new("RGB", (64, 64))
    frame.save(buffer, "WEBP", save_all=True, append_images=[Image.new("RGB", (64, 64), "red")])
    sound = bytearray(buffer.getvalue())
    at = sound.index(b"VP8X") + 12
    sound[at : at + 6] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(sound)


def huge_mp4() -> bytes:
    """An MP4 whose H.264 header says 16,384 x 16,384 pixels."""
    sound = clip()
    at = sound.index(b"avcC")
    (length,) = struct.unpack(">H", sound[at + 10 : at + 12])
    claim = _sequence_header(1024, 1024)
    changed = sound[: at + 10] + struct.pack(">H", len(claim)) + claim + sound[at + 12 + length :]
    return _grown(changed, len(claim) - length, b"avcC", b"avc1", b"stsd", b"stbl", b"minf", b"mdia", b"trak", b"moov")


def _sequence_header(across: int, down: int) -> bytes:
    """H.264, 7.3.2.1: baseline, level 6.2, so many macroblocks across and down."""
    golomb = [f"{n + 1:b}" for n in (0, 0, 2, 1, across - 1, down - 1)]
    number, frame_number, order, references, width, height = ("0" * (len(bits) - 1) + bits for bits in golomb)
    bits = number + frame_number + order + references + "0" + width + height + "11001"
    bits += "0" * (-len(bits) % 8)
    return b"\x67\x42\x00\x3e" + int(bits, 2).to_bytes(len(bits) // 8, "big")


def _grown(content: bytes, by: int, *boxes: bytes) -> bytes:
    changed = bytearray(content)
    for name in boxes:
        at = changed.index(name) - 4
        struct.pack_into(">I", changed, at, struct.unpack_from(">I", changed, at)[0] + by)
    return bytes(changed)


def huge_index() -> bytes:
    sound = bytearray(clip())
    for name, at in ((b"stsz", 12), (b"stts", 12)):
        struct.pack_into(">I", sound, sound.index(name) + at, 4_000_000_000)
    return bytes(sound)


def long_mp4(frames: int) -> bytes:
    """An MP4 in fragments, whose header does not tell how long it is."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4", options={"movflags": "frag_keyframe+empty_moov"}) as container:
        stream = container.add_stream("libx264", rate=1000, options={"preset": "ultrafast"})
        stream.width = stream.height = 16
        picture = av.VideoFrame(16, 16, "yuv420p")
        for number in range(frames):
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return buffer.getvalue()


def deep_mp4() -> bytes:
    sound = clip()
    inner = b""
    for _ in range(1000):
        inner = struct.pack(">I", len(inner) + 8) + b"moov" + inner
    return sound[: sound.index(b"moov") - 4] + inner
