"""Clips as files: writing MP4s that every browser plays, reading frames back from any clip or picture.

Owns: encoding, decoding, the text that a clip carries in its metadata, and what happens when a disk does not
play along. Frames are uint8 arrays (n, H, W, 3), RGB, values 0 to 255. Knows nothing of models, and no torch;
PyAV is imported only where it is used, so that this module imports without it.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from himmel.errors import UnreadableMedia
from himmel.media.output_file import disk_errors, new_file
from himmel.spec import Size

if TYPE_CHECKING:
    from av.container import InputContainer

# One thread: x264's output depends on their number, and the same frames shall give the same file everywhere.
ENCODER_THREADS = 1
# No macroblock tree either: x264's reads memory that nobody set, and one clip in four came out differently.
ENCODER_OPTIONS = {"crf": "15", "preset": "medium", "tune": "animation", "x264-params": "mbtree=0"}
BT709 = 1  # this standard's number as matrix, as primaries and as transfer curve (H.264, annex E)
LIMITED_RANGE = 1


def write_video(path: Path, chunks: Iterable[np.ndarray], *, size: Size, fps: int, metadata: str = "") -> int:
    """Write frames, as they come, to an MP4 (H.264, yuv420p, BT.709, index before the pictures).

    ``chunks`` are uint8 arrays (n, H, W, 3) of ``size``; ``metadata`` is text that :func:`read_metadata` gives
    back. The same frames and metadata give the same bytes, as long as the libraries are the same. The file
    appears under its name only when it is complete: whatever ends the writing early, also an error or Ctrl-C
    in ``chunks`` itself, leaves nothing behind. Returns the number of frames. Raises CannotWrite.
    """
    count = 0
    with new_file(path) as part, closing(_Encoder(path, part, size, fps, metadata)) as encoder:
        for chunk in chunks:
            encoder.add(chunk)
            count += len(chunk)
        if not count:
            raise ValueError("a clip needs at least one frame")
        encoder.finish()
    return count


def read_frames(path: Path, *, limit: int | None = None) -> np.ndarray:
    """All or the first ``limit`` frames of a clip, or of a picture (which has one), as uint8 (n, H, W, 3).

    Raises UnreadableMedia.
    """
    frames = []
    with closing(iterate_frames(path)) as stream:
        for frame in stream:
            frames.append(frame)
            if len(frames) == limit:
                break
    return np.stack(frames)


def iterate_frames(path: Path) -> Generator[np.ndarray]:
    """Like :func:`read_frames`, one uint8 (H, W, 3) at a time, so that a long clip needs little memory."""
    pictures = _decode_picture(path)
    yield from _decode_video(path) if pictures is None else pictures


def read_metadata(path: Path) -> str | None:
    """The text that :func:`write_video` put into a clip, or None where there is none. Raises UnreadableMedia."""
    with _open_video(path) as container:
        return container.metadata.get("comment")


class _Encoder:
    """One MP4 being written into ``part``; errors name ``path``, which is what the user knows."""

    def __init__(self, path: Path, part: Path, size: Size, fps: int, metadata: str) -> None:
        import av

        self.path = path
        self.shape = (size.height, size.width, 3)
        # "faststart" moves the index to the front, "bitexact" keeps library versions out of the file.
        options = {"movflags": "+faststart", "fflags": "+bitexact"}
        with disk_errors(path):
            self.container = av.open(str(part), "w", format="mp4", options=options)
        self.container.metadata["comment"] = metadata
        self.stream = self.container.add_stream("libx264", rate=fps, options=ENCODER_OPTIONS)
        self.stream.width, self.stream.height, self.stream.pix_fmt = size.width, size.height, "yuv420p"
        context = self.stream.codec_context
        context.thread_count = ENCODER_THREADS
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED_RANGE

    def add(self, chunk: np.ndarray) -> None:
        """Encode uint8 (n, H, W, 3)."""
        from av import VideoFrame
        from av.video.reformatter import ColorRange, Colorspace

        if chunk.dtype != np.uint8 or chunk.shape[1:] != self.shape:
            raise ValueError(f"frames are {chunk.dtype} {chunk.shape}, expected uint8 (n, *{self.shape})")
        for picture in chunk:
            rgb = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            yuv = rgb.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
            with disk_errors(self.path):
                self.container.mux(self.stream.encode(yuv))

    def finish(self) -> None:
        """Encode what the encoder still holds back, and write the index."""
        with disk_errors(self.path):
            self.container.mux(self.stream.encode())
            self.container.close()

    def close(self) -> None:
        """Let go of the file; its content does not matter any more unless :meth:`finish` was called before."""
        with suppress(OSError):
            self.container.close()


def _decode_picture(path: Path) -> list[np.ndarray] | None:
    """The frames of a picture (several in an animated one) on white, upright; None where it is no picture."""
    try:
        with Image.open(path) as image:
            return [_on_white(frame) for frame in ImageSequence.Iterator(image)]
    except UnidentifiedImageError:
        return None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableMedia(path, _reason(error)) from error


def _on_white(image: Image.Image) -> np.ndarray:
    upright = ImageOps.exif_transpose(image).convert("RGBA")
    canvas = Image.new("RGBA", upright.size, "white")
    return np.asarray(Image.alpha_composite(canvas, upright).convert("RGB"))


def _decode_video(path: Path) -> Iterator[np.ndarray]:
    import av

    with _open_video(path) as container:
        if not container.streams.video:
            raise UnreadableMedia(path, "it has no pictures in it")
        empty = True
        try:
            for frame in container.decode(video=0):
                empty = False
                yield frame.to_ndarray(format="rgb24")
        except av.FFmpegError as error:
            raise UnreadableMedia(path, _reason(error)) from error
        if empty:
            raise UnreadableMedia(path, "it has no frames in it")


def _open_video(path: Path) -> InputContainer:
    import av

    if not os.path.isfile(path):  # Path.is_file raises where a name is too long
        raise UnreadableMedia(path, "there is no such file")
    try:
        return av.open(str(path))
    except (OSError, av.FFmpegError) as error:
        raise UnreadableMedia(path, f"it is no video or picture that can be decoded ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
