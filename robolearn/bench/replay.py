"""What replay costs: bytes a step, and sampling against plain NumPy indexing of the same bytes in the same process."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from robolearn.core.learning import BatchSpec, View
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, ArraySpec, EnvSpec
from robolearn.core.types import Array, Step
from robolearn.replay import Replay


def bench_replay(
    *, capacity: int = 6000, pixels: int = 84, episode_steps: int = 50, batch: int = 256, seconds: float = 1.5
) -> dict[str, object]:
    """Fill a store with two-camera episodes from four interleaved streams, then draw from it.

    Args:
        capacity: Rows; all are filled, twice over.
        pixels: Height and width of both cameras.
        episode_steps: Actions an episode; each episode costs one row more.
        batch: Transitions a draw.
        seconds: How long each way of drawing is timed, in turns.

    Returns:
        `bytes_ratio`: growth of the resident memory of this process, for each step that the full store holds, over the
        bytes of one copy of that step's arrays; `allocated_ratio`: the same from the sizes of all arrays.
        `sample_ratio`: speed of `sample` over that of NumPy fancy indexing of the same columns. `sample_ms`, `plain_ms`,
        `gb_per_s`; `sequences_ms` (16 of 32), `chunks_ms` (horizon 16); `add_us`, and `add_disk_us` with a directory;
        `open_rows_per_s`: reading a store back.
    """
    spec = _spec(pixels)
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (64, pixels, pixels, 3), np.uint8)
    resident = _resident_bytes()
    replay = Replay(spec, capacity)
    add_s = _fill(replay, 2 * capacity, frames, episode_steps)
    grown = _resident_bytes() - resident
    steps = capacity * episode_steps / (episode_steps + 1)
    result = {
        "bytes_ratio": grown / (steps * replay.row_bytes),
        "allocated_ratio": replay.nbytes / (steps * replay.row_bytes),
        "add_us": 1e6 * add_s / (2 * capacity),
    }
    arrays = _same_columns(spec, capacity, frames, rng)
    spec_of = {
        "sample_ms": BatchSpec(size=batch),
        "sequences_ms": BatchSpec(view=View.SEQUENCES, size=16, length=32),
        "chunks_ms": BatchSpec(view=View.CHUNKS, size=batch, horizon=16),
    }
    timed: dict[str, Callable[[], object]] = {"plain_ms": lambda: _plain(arrays, capacity, batch, rng)}
    timed |= {name: lambda wanted=wanted: replay.sample(wanted, rng) for name, wanted in spec_of.items()}
    result |= {name: 1e3 * value for name, value in _alternate(timed, seconds).items()}
    result["sample_ratio"] = result["plain_ms"] / result["sample_ms"]
    obs_bytes = 2 * sum(a.nbytes // capacity for n, a in arrays.items() if n.startswith("obs/"))
    result["gb_per_s"] = batch * obs_bytes / result["sample_ms"] / 1e6
    return {**result, **_bench_disk(spec, capacity // 4, frames, episode_steps)}


def _bench_disk(spec: EnvSpec, capacity: int, frames: Array, episode_steps: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "replay"
        replay = Replay(spec, capacity, directory=directory)
        add_s = _fill(replay, capacity, frames, episode_steps)
        replay.close()
        start = time.perf_counter()
        Replay.open(directory, spec, capacity).close()
        open_s = time.perf_counter() - start
    return {"add_disk_us": 1e6 * add_s / capacity, "open_rows_per_s": capacity / open_s}


def _fill(replay: Replay, rows: int, frames: Array, episode_steps: int, streams: int = 4) -> float:
    """Add `rows` rows; return the seconds that `add` took."""
    vector, action = np.zeros(18, np.float32), np.zeros(7, np.float32)
    start = time.perf_counter()
    for row in range(rows):
        t = row // streams % (episode_steps + 1)
        image = frames[row % len(frames)]
        step = Step(
            obs={"pixels/front": image, "pixels/wrist": image, "proprio/arm.state": vector},
            action=action,
            rewards={"task": 0.0},
            is_first=t == 0,
            is_last=t == episode_steps,
            is_truncated=t == episode_steps,
        )
        replay.add(step, row % streams)
    return time.perf_counter() - start


def _same_columns(spec: EnvSpec, capacity: int, frames: Array, rng: np.random.Generator) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    for key, array_spec in spec.obs.items():
        arrays[f"obs/{key}"] = np.zeros((capacity, *array_spec.shape), array_spec.dtype)
        if key.startswith("pixels/"):
            arrays[f"obs/{key}"][:] = frames[rng.integers(len(frames), size=capacity)]
    arrays["action"] = np.zeros((capacity, spec.action.size), np.float32)
    arrays["reward"] = np.zeros(capacity, np.float32)
    arrays["discount"] = np.zeros(capacity, np.float32)
    return arrays


def _plain(arrays: dict[str, Array], capacity: int, batch: int, rng: np.random.Generator) -> dict[str, Array]:
    rows = rng.integers(capacity - 1, size=batch)
    result = {name: array[rows] for name, array in arrays.items()}
    return result | {f"next_{name}": array[rows + 1] for name, array in arrays.items() if name.startswith("obs/")}


def _alternate(timed: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Return the median seconds of each call, all called in turns so that a busy machine slows all alike."""
    taken: dict[str, list[float]] = {name: [] for name in timed}
    deadline = time.perf_counter() + seconds * len(timed)
    while time.perf_counter() < deadline or len(taken["plain_ms"]) < 5:
        for name, call in timed.items():
            start = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - start)
    return {name: float(np.median(values[1:])) for name, values in taken.items()}


def _spec(pixels: int) -> EnvSpec:
    image = ArraySpec((pixels, pixels, 3), "uint8")
    return EnvSpec(
        obs={"pixels/front": image, "pixels/wrist": image, "proprio/arm.state": ArraySpec((18,), "float32")},
        action=ActionSpec((ActionPart(arm="arm", kind=ActionKind.JOINT_DELTA, size=7),)),
        rate_hz=10.0,
        max_steps=50,
    )


def _resident_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
