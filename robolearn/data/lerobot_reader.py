"""Reading LeRobotDataset v3, ours and other people's: rows and videos are streamed in order, one episode in memory at a time."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import av
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from av.error import FFmpegError
from numpy.typing import NDArray

from robolearn.core.errors import DataError
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, ArraySpec, EnvSpec
from robolearn.core.types import PIXELS, PROPRIO, STATE, Array, Source, Step, last_step
from robolearn.data import lerobot as layout

BATCH_ROWS = 1_024
ROBOT = "robot"
"""Name of whatever a dataset of others was recorded with."""
Columns = dict[str, NDArray[Any]]


class LeRobotReader:
    """One dataset: what it holds, and its episodes in order.

    A dataset of others has no spec of ours. Its state becomes `proprio/robot.state`; its actions, whatever their units, are scaled
    to [-1, 1] by the least and the greatest that it says to hold; the observation after the last action, which the format
    does not keep, is taken to be the last one.

    Args:
        path: The folder.

    Raises:
        DataError: If it is missing, of another version, damaged, or has features that are no arrays.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._info = _read_json(self.path / layout.INFO)
        version = str(self._info.get("codebase_version", "none"))
        if not version.startswith("v3."):
            fix = "convert it with LeRobot's own tool first" if version.startswith("v2") else "is it a LeRobot dataset?"
            raise DataError(f"{path}, {layout.INFO}", expected=layout.VERSION, got=version, fix=fix)
        with _reading(self.path, layout.INFO):
            self._features = cast("Mapping[str, Mapping[str, Any]]", self._info["features"])
            self.episodes = int(self._info["total_episodes"])
        own = self.path / layout.SPEC
        self._own = own.is_file()
        self.spec = EnvSpec.from_plain(_read_json(own), str(own)) if self._own else self._foreign_spec()
        self._scale = (np.float32(0.0), np.float32(1.0)) if self._own else self._action_scale()

    def __iter__(self) -> Iterator[list[Step]]:
        """Yield episodes of T + 1 rows.

        Raises:
            DataError: Naming the first part that is missing, damaged or inconsistent.
        """
        rows = _Rows(self.path, [name for name in self._features if not name.startswith(layout.IMAGES)])
        cameras = {
            key: _Frames(self.path, layout.video_key(key), self.spec.obs[key].shape) for key in self.spec.pixel_keys
        }
        count = 0
        for number, entry in enumerate(self._entries()):
            with _reading(self.path, f"episode {number}"):
                length = int(entry["length"])
                columns = rows.take(length)
                frames = {key: camera.take(entry, length, self._rate) for key, camera in cameras.items()}
                if length < 1 or (columns["episode_index"] != number).any():
                    raise ValueError(f"{length} rows that say to be of episodes {np.unique(columns['episode_index'])}")
            yield self._steps(number, columns, frames)
            count += 1
        if count != self.episodes:
            raise DataError(f"{self.path}, episodes", expected=self.episodes, got=count, fix="files are missing")

    @property
    def _rate(self) -> float:
        return float(self._info["fps"])

    def _entries(self) -> Iterator[Mapping[str, Any]]:
        for path in sorted((self.path / "meta" / "episodes").glob("*/*.parquet")):
            with _reading(self.path, str(path.relative_to(self.path))):
                table = pq.read_table(path)
                wanted = [name for name in table.column_names if not name.startswith("stats/")]
                entries = table.select(wanted).to_pylist()
            yield from entries

    def _steps(self, number: int, columns: Columns, frames: Mapping[str, NDArray[np.uint8]]) -> list[Step]:
        length = len(columns["episode_index"])
        obs: dict[str, Array] = {**frames, **self._vectors(columns)}
        low, half = self._scale
        actions = np.clip((columns[layout.ACTION].reshape(length, -1) - low) / half, -1.0, 1.0).astype(np.float32)
        rewards = columns.get("next.reward", np.zeros(length)).ravel()
        success = columns.get("next.success", np.zeros(length)).ravel().astype(bool)
        helped = columns.get("complementary_info.is_intervention", np.zeros(length)).ravel().astype(bool)
        for name, values in (("observations", obs), ("actions", {"": actions}), ("rewards", {"": rewards})):
            for key, value in values.items():
                if value.dtype.kind == "f" and not np.isfinite(value).all():
                    raise DataError(
                        f"{self.path}, episode {number}, {name} {key}", expected="finite numbers", got="NaN or infinity"
                    )
        steps = [
            Step(
                obs={key: value[t] for key, value in obs.items()},
                action=actions[t],
                rewards={"task": float(rewards[t])},
                is_first=t == 0,
                intervened=bool(helped[t]),
                success=bool(success[t]),
                source=Source.INTERVENTION if helped[t] else Source.DEMO,
            )
            for t in range(length)
        ]
        last, terminated = self._last(number, steps[-1])
        return [*steps, last_step(steps[-1], last, terminated)]

    def _vectors(self, columns: Columns) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for prefix, feature in layout.VECTORS.items():
            at = 0
            for key in layout.vector_keys(self.spec, prefix):
                shape = self.spec.obs[key].shape
                size = int(np.prod(shape))
                source = columns[feature if self._own else _feature_of(key)]
                whole = source.reshape(len(source), -1).astype(np.float32)
                part = whole[:, at : at + size] if self._own else whole
                found[key] = part.reshape(len(source), *shape)
                at += size
        return found

    def _last(self, number: int, step: Step) -> tuple[dict[str, Array], bool]:
        """Return the observation after the last action, and whether nothing could have followed."""
        if not self._own:
            return dict(step.obs), step.success
        with _reading(self.path, layout.LAST), h5py.File(self.path / layout.LAST) as file:
            group = cast("h5py.Group", file[f"episode_{number}"])
            obs = {key: np.asarray(cast("h5py.Dataset", group[key])[0]) for key in self.spec.obs}
            return obs, bool(group.attrs["terminated"])

    def _foreign_spec(self) -> EnvSpec:
        obs: dict[str, ArraySpec] = {}
        with _reading(self.path, layout.INFO):
            for name, feature in self._features.items():
                shape = tuple(int(n) for n in feature["shape"])
                if name.startswith(layout.IMAGES) and feature["dtype"] == "video":
                    height, width, channels = shape if shape[-1] == 3 else (shape[1], shape[2], shape[0])
                    key = PIXELS + name.removeprefix(layout.IMAGES)
                    obs[key] = ArraySpec(shape=(height, width, channels), dtype="uint8", low=0.0, high=255.0)
                elif name.startswith("observation.") and str(feature["dtype"]).startswith("float"):
                    obs[_key_of(name)] = ArraySpec(shape=shape, dtype="float32")
                elif name.startswith("observation.") and feature["dtype"] in ("image", "video"):
                    fix = "only videos named observation.images.<camera> are read"
                    raise DataError(f"{self.path}, {name}", expected="a video", got=feature["dtype"], fix=fix)
            size = int(np.prod(self._features[layout.ACTION]["shape"]))
        action = ActionSpec((ActionPart(arm=ROBOT, kind=ActionKind.NATIVE, size=size),))
        return EnvSpec(obs=obs, action=action, rate_hz=self._rate, max_steps=1_000_000)

    def _action_scale(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return middle and half range of the actions; (0, 1) where all lie in [-1, 1] anyway."""
        stats = _read_json(self.path / layout.STATS)
        with _reading(self.path, layout.STATS):
            bounds = cast("Mapping[str, Any]", stats[layout.ACTION])
            low, high = (np.asarray(bounds[name], np.float32).ravel() for name in ("min", "max"))
        if min(low.min(), -high.max()) >= -1.0:
            return np.zeros_like(low), np.ones_like(low)
        return 0.5 * (low + high), np.maximum(0.5 * (high - low), 1e-6)


class _Rows:
    """The rows of all data files, in order."""

    def __init__(self, root: Path, names: list[str]) -> None:
        self._batches = self._stream(sorted((root / "data").glob("*/*.parquet")), names)
        self._pending: pa.Table | None = None

    def take(self, count: int) -> Columns:
        """Return the next `count` rows by column; ValueError if there are fewer."""
        tables: list[pa.Table] = []
        missing = count
        while missing > 0:
            table = self._pending if self._pending is not None and self._pending.num_rows else next(self._batches, None)
            if table is None:
                raise ValueError(f"{missing} rows are missing")
            tables.append(table.slice(0, missing))
            self._pending = table.slice(missing)
            missing -= tables[-1].num_rows
        whole = pa.concat_tables(tables).combine_chunks()
        return {name: _to_numpy(whole.column(name)) for name in whole.column_names}

    @staticmethod
    def _stream(paths: list[Path], names: list[str]) -> Iterator[pa.Table]:
        for path in paths:
            with pq.ParquetFile(path) as file:
                known = [name for name in names if name in file.schema_arrow.names]
                for batch in file.iter_batches(BATCH_ROWS, columns=known):
                    yield pa.Table.from_batches([batch])


class _Frames:
    """The frames of one camera, in the order of the episodes."""

    def __init__(self, root: Path, name: str, shape: tuple[int, ...]) -> None:
        self._root, self._name, self._shape = root, name, shape
        self._place: tuple[int, int] | None = None
        self._decoded: Iterator[NDArray[np.uint8]] = iter(())
        self._at = 0

    def take(self, entry: Mapping[str, Any], count: int, rate: float) -> NDArray[np.uint8]:
        """Return the frames (T, H, W, 3) of an episode; ValueError if there are fewer or they have another size."""
        place = int(entry[f"videos/{self._name}/chunk_index"]), int(entry[f"videos/{self._name}/file_index"])
        start = round(float(entry[f"videos/{self._name}/from_timestamp"]) * rate)
        if place != self._place or start < self._at:
            self._place, self._at = place, 0
            self._decoded = self._decode(place)
        while self._at < start:
            next(self._decoded)
            self._at += 1
        frames = [frame for _, frame in zip(range(count), self._decoded, strict=False)]
        self._at += len(frames)
        if len(frames) < count or frames[0].shape != self._shape:
            raise ValueError(f"{len(frames)} of {count} frames of {self._name}, expected {self._shape}")
        return np.stack(frames)

    def _decode(self, place: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
        name = layout.VIDEOS.format(video_key=self._name, chunk_index=place[0], file_index=place[1])
        with av.open(str(self._root / name)) as container:
            for frame in container.decode(video=0):
                yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


@contextmanager
def _reading(path: Path, part: str) -> Iterator[None]:
    """Turn whatever the libraries raise on a damaged dataset into one `DataError` that names the part."""
    known = (
        OSError,
        KeyError,
        ValueError,
        TypeError,
        IndexError,
        StopIteration,
        pa.ArrowException,
        FFmpegError,
    )
    try:
        yield
    except known as error:
        raise DataError(
            f"{path}, {part}",
            expected="an intact LeRobot dataset",
            got=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}",
            fix="it is damaged or cut short: copy it again or record it anew",
        ) from error


def _to_numpy(column: pa.ChunkedArray) -> NDArray[Any]:
    array = column.combine_chunks()
    if pa.types.is_fixed_size_list(array.type) or pa.types.is_list(array.type):
        return array.flatten().to_numpy(zero_copy_only=False).reshape(len(array), -1)
    return array.to_numpy(zero_copy_only=False)


def _key_of(feature: str) -> str:
    name = feature.removeprefix("observation.")
    return STATE + name if name == "environment_state" else f"{PROPRIO}{ROBOT}.{name}"


def _feature_of(key: str) -> str:
    return "observation." + key.removeprefix(STATE).removeprefix(f"{PROPRIO}{ROBOT}.")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value: object = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        got = "no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise DataError(str(path), expected="a JSON file of a LeRobot dataset", got=got) from error
    if not isinstance(value, dict):
        raise DataError(str(path), expected="a JSON object", got=type(value).__name__)
    return value
