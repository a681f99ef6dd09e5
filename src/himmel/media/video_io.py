"""Clips as files: writing MP4s that every browser plays, reading frames back from any clip or picture.

Owns: when a file or stream of ours begins and is complete, decoding, and the text that a clip carries in its metadata.
Frames are uint8 arrays (n, H, W, 3), RGB, values 0 to 255. Knows nothing of models, and no torch; PyAV is imported only
where it is used, so that this module imports without it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import numpy as np
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from himmel.errors import UnreadableMedia
from himmel.media.encoder import LOSSLESS, STREAM, USUAL, Encoder, Tap, stream_errors
from himmel.media.output_file import disk_errors, new_file
from himmel.spec import Size

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")  # in other formats further pictures are thumbnails and depths, not frames
RUN_UP = 1.0  # seconds before a moment at which decoding begins: key frames are listed by when they are decoded
USUAL_DELAY = 0.1  # seconds that a frame of an animated picture stands where it says nothing, as browsers have it

Timed: TypeAlias = tuple[float, Callable[[], np.ndarray]]  # seconds, and what gives the frame


def write_video(
    path: Path, chunks: Iterable[np.ndarray], *, size: Size, fps: int, metadata: str = "", lossless: bool = False
) -> int:
    """Write frames, as they come, to an MP4 (H.264, yuv420p, BT.709, index before the pictures).

    ``chunks`` are uint8 arrays (n, H, W, 3) of ``size``; ``metadata`` is text that :func:`read_metadata` gives
    back. ``lossless`` writes H.264 in RGB instead: :func:`iterate_frames` gives every value back as it was. The same
    frames and metadata give the same bytes, as long as the libraries are the same. The file appears under its name
    only when it is complete: whatever ends the writing early, also an error or Ctrl-C in ``chunks`` itself, leaves
    nothing behind. Returns the number of frames. Raises CannotWrite.
    """
    coding, errors = LOSSLESS if lossless else USUAL, partial(disk_errors, path)
    with new_file(path) as part, closing(Encoder(str(part), coding, size, fps, metadata, errors)) as encoder:
        return encoder.add_all(chunks)


def kept_video(path: Path, chunks: Iterable[np.ndarray], *, size: Size, fps: int) -> Generator[np.ndarray]:
    """The frames as they come, and when the last was taken, a lossless clip of them all at ``path``.

    Arguments as in :func:`write_video`; as there, whatever ends it early, also closing it, leaves nothing behind.
    Raises CannotWrite.
    """
    errors = partial(disk_errors, path)
    with new_file(path) as part, closing(Encoder(str(part), LOSSLESS, size, fps, "", errors)) as encoder:
        yield from encoder.added(chunks)


def stream_video(
    target: BinaryIO | Path, chunks: Iterable[np.ndarray], *, size: Size, fps: int, metadata: str = ""
) -> int:
    """Write frames, as they come, to a fragmented MP4 that plays while it grows, on disk or through a pipe.

    The head, with ``metadata``, is written at once, and then every frame but those of the last
    :data:`~himmel.media.encoder.FRAGMENT_SECONDS` and one, whose end is not known yet. A file lies under its name from
    the start, and whatever ends the frames early leaves it there, with all frames that were given. Memory does not
    grow. Arguments and result otherwise as in :func:`write_video`. Raises CannotWrite where a file cannot be made,
    StreamBroken where the target takes no more: its reader has gone, or the disk is full.
    """
    if isinstance(target, Path):
        with disk_errors(target):
            file = target.open("wb", buffering=0)
        with file:
            return stream_video(file, chunks, size=size, fps=fps, metadata=metadata)
    errors = partial(stream_errors, getattr(target, "name", "the reader"))
    with closing(Encoder(Tap(target), STREAM, size, fps, metadata, errors)) as encoder:
        encoder.begin()
        return encoder.add_all(chunks)


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
    for _, load in timed_frames(path):
        yield load()


def timed_frames(path: Path, *, since: float = 0.0) -> Generator[Timed]:
    """When each frame appears, by the file's own clock in seconds, and what gives it as uint8 (H, W, 3), upright.

    Frames that nobody asks for are decoded, but cost no conversion. ``since`` is a moment of that clock: the frame
    shown then is among those given, few are before it, and what is far before it is not decoded. A picture gives its
    frames from 0 on always. Raises UnreadableMedia.
    """
    is_picture = False
    for timed in _decode_picture(path):
        is_picture = True
        yield timed
    if not is_picture:
        yield from _decode_video(path, since)


def frame_times(path: Path) -> Generator[tuple[float, float]]:
    """Of every frame the second at which it appears and for how long it stands, in the order of the file.

    Nothing of a video is decoded. A picture that does not move stands for 0 seconds. Raises UnreadableMedia.
    """
    is_picture = False
    for time in _times_of_picture(path):
        is_picture = True
        yield time
    if not is_picture:
        yield from _times_of_video(path)


def read_metadata(path: Path) -> str | None:
    """The text that :func:`write_video` put into a clip, or None where there is none. Raises UnreadableMedia."""
    with open_video(path) as container:
        return container.metadata.get("comment")


def _decode_picture(path: Path) -> Iterator[Timed]:
    """The frames of a picture (several in an animated one) on white, upright; none where it is no picture."""
    for time, _, frame in _frames_of_picture(path):
        with _pillow_errors(path):
            picture = _on_white(frame)
        yield time, partial(np.asarray, picture)


def _times_of_picture(path: Path) -> Iterator[tuple[float, float]]:
    for time, duration, _ in _frames_of_picture(path):
        yield time, duration


def _frames_of_picture(path: Path) -> Iterator[tuple[float, float, Image.Image]]:
    """When each frame appears, for how long it stands, and the frame, which the next one overwrites."""
    time = 0.0
    with _pillow_errors(path), suppress(UnidentifiedImageError), Image.open(path) as image:
        if image.format not in ANIMATED or getattr(image, "n_frames", 1) == 1:
            yield 0.0, 0.0, image
            return
        for frame in ImageSequence.Iterator(image):
            frame.load()
            duration = float(frame.info.get("duration") or 0) / 1000 or USUAL_DELAY
            yield time, duration, frame
            time += duration


@contextmanager
def _pillow_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableMedia(path, _reason(error)) from error


def _on_white(image: Image.Image) -> np.ndarray:
    upright = ImageOps.exif_transpose(image).convert("RGBA")
    canvas = Image.new("RGBA", upright.size, "white")
    return np.asarray(Image.alpha_composite(canvas, upright).convert("RGB"))


def _decode_video(path: Path, since: float) -> Iterator[Timed]:
    """See :func:`timed_frames`. Indices err, so what was jumped to is looked at, and else decoded from the head."""
    for jump in (since - RUN_UP, None) if since > 0 else (None,):
        reached = False
        with open_video(path) as container:
            for time, frame in _decode_from(path, container, jump):
                if jump is not None and not reached and time > since:
                    break
                reached = True
                yield time, partial(_upright, frame)
        if reached:
            return
    raise UnreadableMedia(path, "it has no frames in it")


def _decode_from(path: Path, container: InputContainer, jump: float | None) -> Iterator[tuple[float, VideoFrame]]:
    """The frames of an open clip, from the key frame before ``jump`` seconds or from its head, with their times."""
    import av

    stream = container.streams.video[0]
    step = _usual_step(stream)
    time = -step
    try:
        if jump is not None:
            with suppress(av.FFmpegError):  # not every file can be jumped in
                container.seek(int(jump / float(stream.time_base or 1)), stream=stream)
        for frame in container.decode(stream):
            time = time + step if frame.time is None else frame.time
            yield time, frame
    except av.FFmpegError as error:
        raise UnreadableMedia(path, _reason(error)) from error


def _times_of_video(path: Path) -> Iterator[tuple[float, float]]:
    import av

    with open_video(path) as container:
        stream = container.streams.video[0]
        unit, step = float(stream.time_base or 1), _usual_step(stream)
        try:
            for index, packet in enumerate(container.demux(stream)):
                if packet.size and not packet.is_discard:
                    time = index * step if packet.pts is None else packet.pts * unit
                    yield time, (packet.duration or 0) * unit or step
        except av.FFmpegError as error:
            raise UnreadableMedia(path, _reason(error)) from error


def _usual_step(stream: VideoStream) -> float:
    """Seconds per frame, for files that say nothing better: a raw stream has no clock of its own."""
    return float(1 / (stream.average_rate or 25))


def _upright(frame: VideoFrame) -> np.ndarray:
    """uint8 (H, W, 3), turned as the file says: phones write upright clips lying on their side."""
    picture = frame.to_ndarray(format="rgb24")
    return np.rot90(picture, frame.rotation // 90) if frame.rotation else picture


def open_video(path: Path) -> InputContainer:
    """A clip with pictures in it, opened by PyAV. Raises UnreadableMedia."""
    import av

    if not os.path.isfile(path):  # Path.is_file raises where a name is too long
        raise UnreadableMedia(path, "there is no such file")
    try:
        container = av.open(str(path))
    except (OSError, av.FFmpegError) as error:
        raise UnreadableMedia(path, f"it is no video or picture that can be decoded ({_reason(error)})") from error
    if not container.streams.video:
        container.close()
        raise UnreadableMedia(path, "it has no pictures in it")
    return container


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
