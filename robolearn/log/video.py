"""Videos that browsers play: H.264 in MP4, with nothing painted over the picture but a coloured border."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import DataError, SpecError
from robolearn.core.types import PIXELS, Step

Image = NDArray[np.uint8]
"""(H, W, 3) RGB."""

SUCCESS = (46, 160, 67)
FAILURE = (207, 34, 46)
BACKGROUND = (27, 30, 35)
"""RGB."""
BORDER = 4
GAP = 2
"""Pixels."""


class VideoRecorder:
    """Films the watched episodes and leaves one video in which they play side by side, bordered by success.

    Args:
        path: The `.mp4` to make.
        fps: Frames a second.
        episodes: How many to film; later ones are ignored.
    """

    def __init__(self, path: Path, *, fps: float, episodes: int = 8) -> None:
        self.path = Path(path)
        self._fps = fps
        self._limit = episodes
        self._films: list[list[Image]] = []
        self._success: list[bool] = []
        self._current: list[Image] = []

    def on_step(self, step: Step, frame: Mapping[str, NDArray[np.uint8]] | None) -> None:
        """Take a step; without frames its camera observations are filmed."""
        if len(self._films) >= self._limit:
            return
        cameras = frame or {k: v for k, v in step.obs.items() if k.startswith(PIXELS)}
        if cameras:
            self._current.append(beside([np.asarray(cameras[name], np.uint8) for name in sorted(cameras)]))

    def on_episode(self, success: bool, length: int) -> None:
        """Close the film of one episode."""
        del length
        if self._current:
            self._films.append(self._current)
            self._success.append(success)
        self._current = []

    def close(self) -> None:
        """Write the video if anything was filmed; may be called twice."""
        films, self._films, self._current = self._films, [], []
        if films:
            write_video(self.path, tile(films, self._success), self._fps)
        self._success = []


def write_video(path: Path, frames: Iterable[Image], fps: float) -> Path:
    """Write an MP4 (H.264, yuv420p, playable while it loads); odd sizes are padded by a pixel.

    Args:
        path: The file to make or replace; it appears when it is complete.
        frames: Equally sized (H, W, 3) uint8 RGB, at least one; may be a generator.
        fps: Frames a second.

    Returns:
        `path`.

    Raises:
        DataError: If there is no frame, or the file cannot be written.
        SpecError: If a frame differs from the first.
    """
    import av

    path = Path(path)
    stream_of = iter(frames)
    first = next(stream_of, None)
    if first is None:
        raise DataError(str(path), expected="at least one frame", got="none")
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(partial), "w", format="mp4", options={"movflags": "+faststart"}) as container:
            stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
            height, width = first.shape[:2]
            stream.height, stream.width = height + height % 2, width + width % 2
            stream.pix_fmt = "yuv420p"
            stream.options = {"crf": "20", "preset": "veryfast"}
            # one thread: the encoder must not compete with a training run
            stream.codec_context.thread_count = 1
            for image in chain([first], stream_of):
                _check(image, first, path)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(_even(image), format="rgb24")))
            container.mux(stream.encode())
        partial.replace(path)
    except OSError as error:
        raise DataError(str(path), expected="a folder with room to write", got=str(error)) from error
    finally:
        if partial.exists():
            partial.unlink()
    return path


def tile(
    episodes: Sequence[Sequence[Image]], success: Sequence[bool] | None = None, columns: int | None = None
) -> Iterator[Image]:
    """Yield frames in which several episodes play side by side; one that ended shows its last frame.

    Args:
        episodes: Frames (H, W, 3) of each, all of one size; the empty ones are left out.
        success: Draws a green or red border around each.
        columns: Episodes in a row; by default the grid is about twice as wide as high.

    Yields:
        Equally sized (H, W, 3) uint8; as many as the longest episode has frames.

    Raises:
        SpecError: If the sizes differ.
    """
    verdicts = success if success is not None else [None] * len(episodes)
    films = [(film, verdict) for film, verdict in zip(episodes, verdicts, strict=True) if len(film)]
    if not films:
        return
    height, width = films[0][0][0].shape[:2]
    edge = BORDER if success is not None else 0
    columns = min(columns or max(1, round((2 * len(films) * height / width) ** 0.5)), len(films))
    rows = -(-len(films) // columns)
    cell_h, cell_w = height + 2 * edge + GAP, width + 2 * edge + GAP
    canvas = np.full((rows * cell_h - GAP, columns * cell_w - GAP, 3), BACKGROUND, np.uint8)
    for t in range(max(len(film) for film, _ in films)):
        for index, (film, verdict) in enumerate(films):
            image = film[min(t, len(film) - 1)]
            _check(image, films[0][0][0], f"episode {index}")
            y, x = index // columns * cell_h, index % columns * cell_w
            if verdict is not None:
                canvas[y : y + height + 2 * edge, x : x + width + 2 * edge] = SUCCESS if verdict else FAILURE
            canvas[y + edge : y + edge + height, x + edge : x + edge + width] = image
        yield canvas.copy()


def beside(images: Sequence[Image]) -> Image:
    """Put images side by side, the lower ones padded in black.

    Args:
        images: At least one (H, W, 3), sizes may differ.
    """
    height = max(image.shape[0] for image in images)
    padded = [np.pad(image, ((0, height - image.shape[0]), (0, 0), (0, 0))) for image in images]
    return np.concatenate(padded, axis=1)


def _even(image: Image) -> Image:
    height, width = image.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return np.ascontiguousarray(image)
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _check(image: Image, first: Image, where: object) -> None:
    if image.dtype != np.uint8 or image.shape != first.shape or image.ndim != 3 or image.shape[2] != 3:
        raise SpecError(
            f"{where}, frame", expected=f"uint8 {(*first.shape[:2], 3)}", got=f"{image.dtype} {image.shape}"
        )
