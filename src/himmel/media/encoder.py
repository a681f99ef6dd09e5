"""Frames to H.264 in MP4: the three ways in which we write it, and the writing itself.

Owns: the encoder's and the container's options, and what happens when a reader does not play along. Frames are uint8
arrays (n, H, W, 3), RGB. Knows nothing of models and of reading, and no torch; PyAV is imported only where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np

from himmel.errors import StreamBroken
from himmel.spec import Size

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.stream import VideoStream

# One thread: x264's output depends on their number, and the same frames shall give the same file everywhere.
ENCODER_THREADS = 1
# No macroblock tree either: x264's reads memory that nobody set, and one clip in four came out differently.
ENCODER_OPTIONS = {"crf": "15", "preset": "medium", "tune": "animation", "x264-params": "mbtree=0"}
BT709 = 1  # this standard's number as matrix, as primaries and as transfer curve (H.264, annex E)
RGB_MATRIX = 0  # no matrix at all: the planes are green, blue and red
LIMITED_RANGE, FULL_RANGE = 1, 2

FRAGMENT_SECONDS = 0.25  # of a stream: what a reader waits for, beside the one frame whose end is not known yet
KEYFRAME_SECONDS = 2  # of a stream, so that one can jump in it later


@dataclass(frozen=True)
class Coding:
    """A way of making an MP4: the encoder and its options, what its pixels are, how the container is laid out."""

    codec: str
    pixels: str
    options: dict[str, str]
    layout: str  # FFmpeg's movflags
    matrix: int = BT709
    value_range: int = LIMITED_RANGE


# "faststart" moves the index to the front.
USUAL = Coding("libx264", "yuv420p", ENCODER_OPTIONS, "+faststart")
# The only one that gives every RGB value back; browsers other than Chrome may not play it (High 4:4:4 Predictive).
LOSSLESS = Coding(
    "libx264rgb",
    "rgb24",
    {"qp": "0", "preset": "medium", "x264-params": "mbtree=0"},
    "+faststart",
    matrix=RGB_MATRIX,
    value_range=FULL_RANGE,
)
# "zerolatency" gives every frame back at once, at the price of frames that look ahead.
STREAM = Coding(
    "libx264",
    "yuv420p",
    ENCODER_OPTIONS | {"tune": "animation,zerolatency"},
    "+empty_moov+default_base_moof",
)


class Encoder:
    """One MP4 being written; ``errors`` wraps what is written, and names the target as the user knows it."""

    def __init__(
        self,
        target: str | Tap,
        coding: Coding,
        size: Size,
        fps: int,
        metadata: str,
        errors: Callable[[], AbstractContextManager[None]],
    ) -> None:
        import av

        self.coding, self.errors = coding, errors
        self.shape = (size.height, size.width, 3)
        # "bitexact" keeps library versions out of the file.
        options = {"movflags": coding.layout, "fflags": "+bitexact"}
        if coding is STREAM:
            options |= {"frag_duration": str(round(FRAGMENT_SECONDS * 1e6)), "flush_packets": "1"}
        with errors():
            self.container = av.open(target, "w", format="mp4", options=options)
        self.container.metadata["comment"] = metadata
        keyframes = {"g": str(KEYFRAME_SECONDS * fps)} if coding is STREAM else {}
        stream = self.container.add_stream(coding.codec, rate=fps, options=coding.options | keyframes)
        self.stream = cast("VideoStream", stream)
        self.stream.width, self.stream.height, self.stream.pix_fmt = size.width, size.height, coding.pixels
        context = self.stream.codec_context
        context.thread_count = ENCODER_THREADS
        context.colorspace, context.color_range = coding.matrix, coding.value_range
        context.color_primaries = context.color_trc = BT709

    def begin(self) -> None:
        """Write the head before there is any frame."""
        with self.errors():
            self.container.start_encoding()

    def add_all(self, chunks: Iterable[np.ndarray]) -> int:
        """Encode uint8 (n, H, W, 3) to the last and finish; the number of frames. An error of their own passes."""
        return sum(len(chunk) for chunk in self.added(chunks))

    def added(self, chunks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Like :meth:`add_all`, and gives every chunk on as soon as it is encoded."""
        chunk = None
        for chunk in chunks:
            self.add(chunk)
            yield chunk
        if chunk is None:
            raise ValueError("a clip needs at least one frame")
        with self.errors():
            self.container.mux(self.stream.encode())  # what the encoder still holds back
            self.container.close()  # writes the index

    def add(self, chunk: np.ndarray) -> None:
        """Encode uint8 (n, H, W, 3)."""
        if chunk.dtype != np.uint8 or chunk.shape[1:] != self.shape:
            raise ValueError(f"frames are {chunk.dtype} {chunk.shape}, expected uint8 (n, *{self.shape})")
        for picture in chunk:
            frame = self._frame(np.ascontiguousarray(picture))
            with self.errors():
                self.container.mux(self.stream.encode(frame))

    def _frame(self, picture: np.ndarray) -> VideoFrame:
        from av import VideoFrame
        from av.video.reformatter import ColorRange, Colorspace

        frame = VideoFrame.from_ndarray(picture, format="rgb24")
        if self.coding.pixels == "rgb24":
            return frame
        pixels = self.coding.pixels
        return frame.reformat(format=pixels, dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)

    def close(self) -> None:
        """Let go of the target. A stream gets the frames that were still held; a file's content is as good as none."""
        with suppress(OSError):
            self.container.close()


class Tap:
    """The one thing that an encoder needs of a stream: bytes in, all of them, at once, and no going back."""

    def __init__(self, file: BinaryIO) -> None:
        file.flush()
        # Past any buffer: what stays in standard output's would be written again, and complained of, at the exit.
        self.file = getattr(file, "raw", file)

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        while rest:
            written = self.file.write(rest)
            if written is None:
                raise BlockingIOError("it does not wait")
            rest = rest[written:]
        self.file.flush()
        return len(data)


@contextmanager
def stream_errors(name: object) -> Iterator[None]:
    """A target that takes no more becomes StreamBroken of ``name``."""
    try:
        yield
    except ConnectionError as error:
        raise StreamBroken(name, "its reader has gone") from error
    except OSError as error:
        raise StreamBroken(name, error.strerror or str(error)) from error
