"""The layout of LeRobotDataset v3: file names, features, and how our keys and theirs correspond.

Source: the dataset format of huggingface/lerobot at codebase version v3.0. Observations `pixels/<camera>` are videos
`observation.images.<camera>`; all proprioception lies side by side in `observation.state`, all privileged state in
`observation.environment_state`. What the format has no place for (specs, the observation after the last action, rewards
by name) is kept in `meta/robolearn/`, which other readers pass over.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from robolearn.core.errors import DataError
from robolearn.core.specs import EnvSpec
from robolearn.core.types import PIXELS, PROPRIO, STATE

VERSION = "v3.0"
INFO = "meta/info.json"
STATS = "meta/stats.json"
TASKS = "meta/tasks.parquet"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEOS = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
OURS = "meta/robolearn"
SPEC = f"{OURS}/spec.json"
LAST = f"{OURS}/last_obs.hdf5"

IMAGES = "observation.images."
VECTORS: Mapping[str, str] = {PROPRIO: "observation.state", STATE: "observation.environment_state"}
"""Prefix of our keys -> the feature in which they lie side by side."""
ACTION = "action"
FILES_PER_CHUNK = 1_000
DATA_FILE_MB = 100
VIDEO_FILE_MB = 200
INDICES = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}
"""What every row says of itself."""
FLAGS = {
    "next.reward": "float32",
    "next.done": "bool",
    "next.success": "bool",
    "complementary_info.is_intervention": "bool",
}
"""What we add to every row; the names are those of LeRobot's own RL recordings."""


def video_key(pixels: str) -> str:
    """Return LeRobot's name of a camera's images.

    >>> video_key("pixels/front")
    'observation.images.front'
    """
    return IMAGES + pixels.removeprefix(PIXELS).replace("/", ".")


def vector_keys(spec: EnvSpec, prefix: str) -> list[str]:
    """Return our vector keys of one kind, in the order in which they lie side by side."""
    return [key for key in spec.vector_keys if key.startswith(prefix)]


def features(spec: EnvSpec) -> dict[str, dict[str, object]]:
    """Return the `features` of info.json for an env."""
    found: dict[str, dict[str, object]] = {}
    for prefix, feature in VECTORS.items():
        names = [
            f"{key.removeprefix(prefix)}.{i}" for key in vector_keys(spec, prefix) for i in range(_size(spec, key))
        ]
        if names:
            found[feature] = {"dtype": "float32", "shape": [len(names)], "names": names}
    for key in spec.pixel_keys:
        height, width, channels = spec.obs[key].shape
        found[video_key(key)] = {
            "dtype": "video",
            "shape": [height, width, channels],
            "names": ["height", "width", "channels"],
            "info": {
                "video.height": height,
                "video.width": width,
                "video.codec": "h264",
                "video.pix_fmt": "yuv420p",
                "video.is_depth_map": False,
                "video.fps": whole_rate(spec),
                "video.channels": channels,
                "has_audio": False,
            },
        }
    entries = [f"{name}.{i}" for name, place in spec.action.slices.items() for i in range(place.stop - place.start)]
    found[ACTION] = {"dtype": "float32", "shape": [spec.action.size], "names": entries}
    found |= {name: {"dtype": dtype, "shape": [1], "names": None} for name, dtype in (FLAGS | INDICES).items()}
    return found


def whole_rate(spec: EnvSpec) -> int:
    """Return the rate, Hz; the format has whole numbers only.

    Raises:
        DataError: If it is not one.
    """
    rate = round(spec.rate_hz)
    if rate < 1 or abs(rate - spec.rate_hz) > 1e-6 * spec.rate_hz:
        raise DataError("LeRobot dataset", expected="a whole number of steps per second", got=f"{spec.rate_hz} Hz")
    return rate


def is_lerobot(path: Path) -> bool:
    """Return whether a folder looks like a LeRobot dataset."""
    return (path / INFO).is_file()


def _size(spec: EnvSpec, key: str) -> int:
    return int(np.prod(spec.obs[key].shape))
