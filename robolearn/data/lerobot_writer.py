"""Writing LeRobotDataset v3: the pictures of one episode in memory at a time, published whole."""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from av.error import FFmpegError
from numpy.typing import NDArray

from robolearn.core.errors import DataError
from robolearn.core.specs import EnvSpec
from robolearn.core.types import Array, Step
from robolearn.data import lerobot as layout
from robolearn.data.stats import RunningStats
from robolearn.data.writer import episode_columns, write_all

KEYFRAME_EVERY = 2
"""Frames; any one can be decoded without many others."""
QUALITY = "18"
"""Constant rate factor of H.264: small errors, some tens of times smaller than raw."""
ROW_GROUP = 100
"""Episodes. A parquet writer keeps what it knows of each row group until the file is closed, so one a row group does not stay flat."""


class LeRobotWriter:
    """Writes episodes to a folder beside `path` and publishes it under that name when the block ends well.

    If the block ends by an exception, the finished episodes are published as `<name>.interrupted`; if no episode was
    finished, nothing is left behind.

    Args:
        path: The folder to make.
        spec: What every episode must comply with.
        task: What is done, in words.
        robot: Type of the robot, in a word.

    Raises:
        DataError: If the folder exists, cannot be made, or the rate is no whole number.
    """

    def __init__(self, path: Path, spec: EnvSpec, *, task: str = "task", robot: str = "robolearn") -> None:
        self.path, self.spec = Path(path), spec
        self.episodes = 0
        """Finished episodes so far."""
        self.published: Path | None = None
        """Where the folder went, once the block has ended."""
        self._task, self._robot, self._rate = task, robot, layout.whole_rate(spec)
        self._features = layout.features(spec)
        self._rows = 0
        odd = [key for key in spec.pixel_keys if any(n % 2 for n in spec.obs[key].shape[:2])]
        if odd:
            raise DataError(
                str(self.path), expected="pictures of even height and width", got=odd, fix="H.264 needs them"
            )
        if self.path.exists():
            raise DataError(str(self.path), expected="a new folder", got="one that exists", fix="choose another name")
        self._temporary = self.path.with_name(f".{self.path.name}.partial")
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._stats = {name: RunningStats() for name in self._features}
        try:
            (self._temporary / layout.OURS).mkdir(parents=True)
        except OSError as error:
            raise _disk_error(self.path, error) from error
        self._table = _ParquetSeries(self._temporary, layout.DATA)
        self._meta = _ParquetSeries(self._temporary, layout.EPISODES)
        self._videos = {
            key: _VideoSeries(self._temporary, layout.video_key(key), spec.obs[key].shape, self._rate)
            for key in spec.pixel_keys
        }
        self._last = h5py.File(self._temporary / layout.LAST, "w")

    def __enter__(self) -> Self:
        return self

    def add(self, episode: Sequence[Step]) -> None:
        """Append one finished episode of T + 1 rows.

        Raises:
            SpecError: If a row differs from the spec; nothing is written then.
            DataError: If the rows are not one episode, hold NaN, or the disk is full.
        """
        columns = episode_columns(episode, self.spec, f"{self.path}, episode {self.episodes}")
        try:
            self._write(columns)
        except (OSError, FFmpegError) as error:
            self._discard()
            raise _disk_error(self.path, error) from error
        self.episodes += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Publish the finished episodes; leave nothing if there are none."""
        if not self.episodes:
            self._discard()
            return
        try:
            self._close()
            self._describe()
            target = self.path if error is None else self.path.with_name(f"{self.path.name}.interrupted")
            if target.exists():
                shutil.rmtree(target)
            os.replace(self._temporary, target)
            self.published = target
        except (OSError, FFmpegError) as failure:
            self._discard()
            raise _disk_error(self.path, failure) from failure

    def _write(self, columns: Mapping[str, Array]) -> None:
        count = len(columns["actions"])
        table = self._vectors(columns) | self._flags(columns, count) | self._indices(count)
        place = self._table.write(_arrow(table))
        entry: dict[str, object] = {
            "episode_index": self.episodes,
            "tasks": [self._task],
            "length": count,
            "dataset_from_index": self._rows,
            "dataset_to_index": self._rows + count,
            "data/chunk_index": place[0],
            "data/file_index": place[1],
        }
        for key, videos in self._videos.items():
            name = layout.video_key(key)
            frames = np.asarray(columns[f"obs/{key}"], np.uint8)
            (chunk, file), start = videos.write(frames)
            entry |= {
                f"videos/{name}/chunk_index": chunk,
                f"videos/{name}/file_index": file,
                f"videos/{name}/from_timestamp": start / self._rate,
                f"videos/{name}/to_timestamp": (start + count) / self._rate,
            }
            self._stats[name].add(frames.reshape(-1, frames.shape[-1]) / 255.0)
        for name, values in table.items():
            self._stats[name].add(np.asarray(values, np.float64).reshape(count, -1))
        entry |= {"meta/episodes/chunk_index": self._meta.place[0], "meta/episodes/file_index": self._meta.place[1]}
        self._meta.write(pa.Table.from_pylist([entry]))
        self._keep(columns)
        self._rows += count

    def _vectors(self, columns: Mapping[str, Array]) -> dict[str, NDArray[Any]]:
        found: dict[str, NDArray[Any]] = {}
        for prefix, feature in layout.VECTORS.items():
            parts = [columns[f"obs/{key}"] for key in layout.vector_keys(self.spec, prefix)]
            if parts:
                found[feature] = np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)
        return {**found, layout.ACTION: np.asarray(columns["actions"], np.float32)}

    def _flags(self, columns: Mapping[str, Array], count: int) -> dict[str, NDArray[Any]]:
        done = np.zeros(count, np.bool_)
        done[-1] = True
        return {
            "next.reward": np.asarray(columns["rewards"], np.float32),
            "next.done": done,
            "next.success": np.asarray(columns["success"], np.bool_),
            "complementary_info.is_intervention": np.asarray(columns["intervened"], np.bool_),
        }

    def _indices(self, count: int) -> dict[str, NDArray[Any]]:
        frames = np.arange(count)
        return {
            "timestamp": (frames / self._rate).astype(np.float32),
            "frame_index": frames,
            "episode_index": np.full(count, self.episodes),
            "index": self._rows + frames,
            "task_index": np.zeros(count, np.int64),
        }

    def _keep(self, columns: Mapping[str, Array]) -> None:
        """Keep what the format has no place for."""
        group = self._last.create_group(f"episode_{self.episodes}")
        for key in self.spec.obs:
            group.create_dataset(key, data=columns[f"last_obs/{key}"], compression="gzip", compression_opts=1)
        group.attrs["terminated"] = bool(columns["terminated"][-1])
        group.attrs["truncated"] = bool(columns["truncated"][-1])

    def _describe(self) -> None:
        info = {
            "codebase_version": layout.VERSION,
            "robot_type": self._robot,
            "total_episodes": self.episodes,
            "total_frames": self._rows,
            "total_tasks": 1,
            "chunks_size": layout.FILES_PER_CHUNK,
            "data_files_size_in_mb": layout.DATA_FILE_MB,
            "video_files_size_in_mb": layout.VIDEO_FILE_MB,
            "fps": self._rate,
            "splits": {"train": f"0:{self.episodes}"},
            "data_path": layout.DATA,
            "video_path": layout.VIDEOS if self._videos else None,
            "features": self._features,
        }
        stats = {name: self._stats[name].summary(image=name.startswith(layout.IMAGES)) for name in self._features}
        for name, content in ((layout.INFO, info), (layout.STATS, stats), (layout.SPEC, self.spec.to_plain())):
            (self._temporary / name).write_text(json.dumps(content, indent=4))
        _write_tasks(self._temporary / layout.TASKS, [self._task])

    def _close(self) -> None:
        self._table.close()
        self._meta.close()
        for videos in self._videos.values():
            videos.close()
        self._last.close()

    def _discard(self) -> None:
        with contextlib.suppress(OSError, FFmpegError):  # a full disk also fails here
            self._close()
        shutil.rmtree(self._temporary, ignore_errors=True)


class _ParquetSeries:
    """Numbered parquet files, each closed when it is large enough; a row group every `ROW_GROUP` episodes."""

    def __init__(self, root: Path, pattern: str) -> None:
        self._root, self._pattern = root, pattern
        self._count = 0
        self._writer: pq.ParquetWriter | None = None
        self._pending: list[pa.Table] = []
        self._bytes = 0

    @property
    def place(self) -> tuple[int, int]:
        """Return (chunk, file) of the file that the next table goes to."""
        return divmod(self._count, layout.FILES_PER_CHUNK)

    def write(self, table: pa.Table) -> tuple[int, int]:
        """Append the table of an episode; return (chunk, file) of where it goes."""
        place = self.place
        self._pending.append(table)
        self._bytes += table.nbytes
        if len(self._pending) == ROW_GROUP:
            self._flush()
        if self._bytes >= layout.DATA_FILE_MB << 20:
            self.close()
            self._count += 1
        return place

    def close(self) -> None:
        """Finish the present file."""
        if self._pending:
            self._flush()
        if self._writer is not None:
            self._writer.close()
        self._writer, self._bytes = None, 0

    def _flush(self) -> None:
        if self._writer is None:
            chunk, file = self.place
            path = self._root / self._pattern.format(chunk_index=chunk, file_index=file)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(path, self._pending[0].schema, compression="snappy")
        self._writer.write_table(pa.concat_tables(self._pending))
        self._pending.clear()


class _VideoSeries:
    """Numbered MP4 files of one camera, each closed when it is large enough; many episodes a file."""

    def __init__(self, root: Path, key: str, shape: Sequence[int], rate: int) -> None:
        self._root, self._key, self._rate = root, key, rate
        self._height, self._width = shape[0], shape[1]
        self._count = self._frames = self._bytes = 0
        self._container: Any = None
        self._stream: Any = None

    def write(self, frames: NDArray[np.uint8]) -> tuple[tuple[int, int], int]:
        """Append frames (T, H, W, 3); return (chunk, file) of where they went, and the first one's number in that file."""
        if self._container is None:
            self._open()
        place, start = divmod(self._count, layout.FILES_PER_CHUNK), self._frames
        for frame in frames:
            self._mux(av.VideoFrame.from_ndarray(frame, format="rgb24"))
        self._frames += len(frames)
        if self._bytes >= layout.VIDEO_FILE_MB << 20:
            self.close()
            self._count += 1
        return place, start

    def _mux(self, frame: Any) -> None:  # noqa: ANN401  (a frame, or None for the rest)
        for packet in self._stream.encode(frame):
            self._bytes += packet.size
            self._container.mux(packet)

    def close(self) -> None:
        """Finish the present file."""
        if self._container is not None:
            self._mux(None)
            self._container.close()
        self._container, self._frames, self._bytes = None, 0, 0

    def _open(self) -> None:
        chunk, file = divmod(self._count, layout.FILES_PER_CHUNK)
        name = layout.VIDEOS.format(video_key=self._key, chunk_index=chunk, file_index=file)
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._container = av.open(str(path), "w", format="mp4")
        self._stream = self._container.add_stream("libx264", rate=Fraction(self._rate))
        self._stream.height, self._stream.width, self._stream.pix_fmt = self._height, self._width, "yuv420p"
        self._stream.options = {"crf": QUALITY, "preset": "veryfast", "g": str(KEYFRAME_EVERY), "bf": "0"}
        self._stream.codec_context.thread_count = 1


def write_lerobot(
    path: Path,
    spec: EnvSpec,
    episodes: Iterable[Sequence[Step]],
    *,
    task: str = "task",
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Write all `episodes` as a LeRobot dataset; see `LeRobotWriter`.

    Returns:
        The folder that was written.

    Raises:
        SpecError: If an episode differs from `spec`.
        DataError: If `path` exists, no episode came, or the disk is full.
    """
    return write_all(LeRobotWriter(path, spec, task=task), episodes, progress)


def _arrow(columns: Mapping[str, NDArray[Any]]) -> pa.Table:
    """Return columns (T,) as they are, and (T, n) as lists of fixed length."""
    arrays: dict[str, pa.Array] = {}
    for name, values in columns.items():
        if values.ndim == 1:
            arrays[name] = pa.array(values)
        else:
            flat = pa.array(np.ascontiguousarray(values, np.float32).ravel())
            arrays[name] = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
    return pa.table(arrays)


def _write_tasks(path: Path, tasks: Sequence[str]) -> None:
    """Write the table of tasks so that pandas takes the words as its index, as LeRobot expects."""
    kinds = {"task_index": ("int64", "int64"), "task": ("unicode", "object")}
    columns = [
        {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy, "metadata": None}
        for name, (kind, numpy) in kinds.items()
    ]
    pandas = {"index_columns": ["task"], "column_indexes": [], "columns": columns, "pandas_version": "2.2.0"}
    table = pa.table(
        {"task_index": pa.array(range(len(tasks)), pa.int64()), "task": pa.array(list(tasks), pa.string())}
    )
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(pandas)}), path)


def _disk_error(path: Path, error: Exception) -> DataError:
    return DataError(
        str(path),
        expected="a folder with room to write",
        got=f"{type(error).__name__}: {error}",
        fix="nothing was left",
    )
