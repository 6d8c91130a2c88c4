"""Writing demonstration files: robomimic's HDF5 layout with our specs, lossless, atomic."""

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, cast

import h5py
import numpy as np

from robolearn.core.errors import DataError, RobolearnError, SpecError
from robolearn.core.specs import EnvSpec
from robolearn.core.types import STATES, Array, Step
from robolearn.data.layout import DATA, MASK, SCHEMA, stored_name

FORMAT = ("v110", "v110")
"""HDF5 1.10: the first format with checksums over its structure and with virtual datasets."""
CODEC = {"compression": "gzip", "compression_opts": 1}
"""Of rendered frames a fifth smaller than lzf at nearly its speed, and readable by every HDF5 library."""


class DemoWriter:
    """Writes episodes to a temporary file beside `path` and publishes it under that name when the block ends.

    Every episode is checked before it touches the file. If the block ends by an exception (Ctrl-C, a failing env), the
    finished episodes are published all the same, marked as incomplete; where `path` already held a file, that file
    stays and the new one is named `<stem>.interrupted<suffix>`. If no episode was finished, or the disk is full, nothing
    is left behind.

    Images are stored once, in chunks of one frame; `next_obs` is a virtual view of `obs` and the last observation.

    Args:
        path: The file to make, usually `*.hdf5`.
        spec: What every episode must comply with.
        env: The configuration of the env (JSON values), for `env_args`.
        overwrite: Whether a file of this name may be replaced.

    Raises:
        DataError: If the file exists and `overwrite` is false, or the folder cannot be written.
    """

    def __init__(
        self,
        path: Path,
        spec: EnvSpec,
        *,
        env: Mapping[str, object] | None = None,
        overwrite: bool = False,
    ) -> None:
        self.path = Path(path)
        self.spec = spec
        self.episodes = 0
        """Finished episodes so far."""
        self.published: Path | None = None
        """Where the file went, once the block has ended."""
        self._env = dict(env or {})
        self._steps = 0
        self._masks: dict[str, list[str]] = {}
        if self.path.exists() and not overwrite:
            raise DataError(str(self.path), expected="a new file", got="one that exists", fix="choose another name")
        self._temporary = self.path.with_name(f".{self.path.name}.partial")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = h5py.File(self._temporary, "w", libver=FORMAT)
        except OSError as error:
            raise _disk_error(self.path, error) from error
        self._data = self._file.create_group(DATA)

    def __enter__(self) -> Self:
        return self

    def add(self, episode: Sequence[Step], masks: Iterable[str] = ()) -> None:
        """Append one finished episode of T + 1 rows.

        Args:
            episode: Rows as `robolearn.core.types.Step` defines them: the last holds only an observation.
            masks: Filter keys (`train`, `valid`, ...) under which the episode is listed.

        Raises:
            SpecError: If a row differs from the spec of this file; nothing is written then.
            DataError: If the rows are not one episode, hold NaN, or the disk is full.
        """
        name = f"demo_{self.episodes}"
        columns = episode_columns(episode, self.spec, f"{self.path}, {name}")
        try:
            self._write(name, columns)
            self._file.flush()
        except (OSError, RuntimeError, ValueError) as error:
            self._discard()
            raise _disk_error(self.path, error) from error
        self.episodes += 1
        self._steps += len(episode) - 1
        for mask in masks:
            self._masks.setdefault(mask, []).append(name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Publish the finished episodes; on a full disk, leave nothing."""
        if not self._file or not self.episodes:
            self._discard()
            return
        try:
            self._describe(complete=error is None)
            self._file.close()
            with self._temporary.open("rb") as written:
                os.fsync(written.fileno())
            interrupted = error is not None and self.path.exists()
            target = self.path.with_stem(f"{self.path.stem}.interrupted") if interrupted else self.path
            self._temporary.replace(target)
            self.published = target
        except (OSError, RuntimeError, ValueError) as failure:
            self._discard()
            raise _disk_error(self.path, failure) from failure

    def _write(self, name: str, columns: Mapping[str, Array]) -> None:
        group = self._data.create_group(name)
        for key, values in columns.items():
            chunks = (1, *values.shape[1:]) if values.ndim == 4 else values.shape
            group.create_dataset(stored_name(key), data=values, chunks=chunks, fletcher32=True, **CODEC)
        length = len(columns["actions"])
        for key in self.spec.obs:
            shape, name = columns[f"obs/{key}"].shape, stored_name(f"obs/{key}").removeprefix("obs/")
            layout = h5py.VirtualLayout(shape, columns[f"obs/{key}"].dtype)
            # "." is this very file, so the view survives a renamed file
            layout[: length - 1] = h5py.VirtualSource(".", f"{group.name}/obs/{name}", shape)[1:]
            layout[length - 1 :] = h5py.VirtualSource(".", f"{group.name}/last_obs/{name}", (1, *shape[1:]))
            group.create_virtual_dataset(f"next_obs/{name}", layout)
        group.attrs["num_samples"] = length

    def _describe(self, *, complete: bool) -> None:
        plain = self.spec.to_plain()
        rate_hz = self.spec.rate_hz
        env_args = {"env_name": self._env.get("id", "robolearn"), "env_type": 2, "env_kwargs": self._env}
        attributes = {
            "schema": SCHEMA,
            "obs_spec": json.dumps(plain["obs"]),
            "action_spec": json.dumps(plain["action"]),
            "env_args": json.dumps(env_args),
        }
        for key, text in attributes.items():
            # fixed length: text of variable length would lie outside what HDF5 protects by checksums
            self._data.attrs[key] = np.bytes_(text.encode())
        self._data.attrs["rate_hz"] = rate_hz
        self._data.attrs["max_steps"] = self.spec.max_steps
        self._data.attrs["total"] = self._steps
        self._data.attrs["complete"] = complete
        for key, names in self._masks.items():
            self._file.create_dataset(f"{MASK}/{key}", data=np.array(names, "S"), chunks=(len(names),), fletcher32=True)

    def _discard(self) -> None:
        with contextlib.suppress(OSError, RuntimeError, ValueError):  # a full disk also fails here
            self._file.close()
        self._temporary.unlink(missing_ok=True)


def write_demos(
    path: Path,
    spec: EnvSpec,
    episodes: Iterable[Sequence[Step]],
    *,
    env: Mapping[str, object] | None = None,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Write all `episodes` to `path`; see `DemoWriter` for what happens on an interrupt.

    Args:
        path: The file to make.
        spec: What every episode must comply with.
        episodes: May be a generator that runs the robot; one episode at a time is held in memory.
        env: The configuration of the env (JSON values).
        overwrite: Whether a file of this name may be replaced.
        progress: Called with the number of finished episodes after each.

    Returns:
        The file that was written.

    Raises:
        SpecError: If an episode differs from `spec`.
        DataError: If `path` exists, no episode came, or the disk is full.
    """
    return write_all(DemoWriter(path, spec, env=env, overwrite=overwrite), episodes, progress)


class EpisodeWriter(Protocol):
    """Takes episodes one by one, and publishes them when its block ends."""

    path: Path
    episodes: int
    published: Path | None

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def add(self, episode: Sequence[Step]) -> None:
        """Append one finished episode."""
        ...


def write_all(
    writer: EpisodeWriter, episodes: Iterable[Sequence[Step]], progress: Callable[[int], None] | None = None
) -> Path:
    """Write all `episodes` and return where they were published.

    Raises:
        SpecError: If an episode differs from the writer's spec.
        DataError: If no episode came, or the disk is full.
    """
    with writer:
        for episode in episodes:
            writer.add(episode)
            if progress:
                progress(writer.episodes)
    if writer.published is None:
        raise DataError(str(writer.path), expected="at least one episode", got="none")
    return writer.published


def episode_columns(episode: Sequence[Step], spec: EnvSpec, where: str) -> dict[str, Array]:
    """Return the columns of one episode by name, checked; each has T rows unless `docs/files.md` says otherwise.

    Raises:
        SpecError: If a row differs from `spec`; `where` is what it names.
        DataError: If the rows are not one episode, or hold NaN.
    """
    _check_edges(episode, where)
    body, last = episode[:-1], episode[-1]
    for t, step in enumerate(episode):
        _check_obs(step, spec, f"{where}, row {t}")
    for t, step in enumerate(body):
        _check_action(step, spec, f"{where}, row {t}")
    ends = np.zeros((2, len(body)), np.bool_)
    ends[:, -1] = last.is_terminal, last.is_truncated
    columns: dict[str, Array] = {
        "actions": np.stack([step.action for step in body]),
        "rewards": np.array([step.rewards.get("task", 0.0) for step in body], np.float64),
        "dones": np.array([step is body[-1] for step in body], np.uint8),
        "terminated": ends[0],
        "truncated": ends[1],
        "intervened": np.array([step.intervened for step in body], np.bool_),
        "success": np.array([step.success for step in body], np.bool_),
        "source": np.array([str(step.source) for step in body], "S16"),
        "policy_version": np.array([step.policy_version for step in body], np.int64),
        "stamp_ns": np.array([step.stamp_ns for step in episode], np.int64),
    }
    for name in sorted(set(body[0].rewards) - {"task"}):
        columns[f"reward_terms/{name}"] = np.array([step.rewards[name] for step in body], np.float64)
    for name in body[0].extra:
        column = STATES if name == STATES else f"extra/{name}"
        columns[column] = np.stack([step.extra[name] for step in body])
    if STATES in body[0].extra:
        columns[f"last_{STATES}"] = last.extra[STATES][None]
    for key in spec.obs:
        columns[f"obs/{key}"] = np.stack([step.obs[key] for step in body])
        columns[f"last_obs/{key}"] = last.obs[key][None]
    for key in ("rewards", *(k for k in columns if k.startswith("reward_terms/") or k.endswith(STATES))):
        if not np.isfinite(cast("np.ndarray[tuple[int, ...], np.dtype[np.float64]]", columns[key])).all():
            raise DataError(f"{where}, {key}", expected="finite numbers", got="NaN or infinity")
    return columns


def _check_edges(episode: Sequence[Step], where: str) -> None:
    if len(episode) < 2:
        raise DataError(where, expected="T + 1 rows with T of at least 1", got=f"{len(episode)} rows")
    firsts = [t for t, step in enumerate(episode) if step.is_first]
    lasts = [t for t, step in enumerate(episode) if step.is_last]
    if firsts != [0] or lasts != [len(episode) - 1]:
        raise DataError(
            where,
            expected=f"is_first at row 0 and is_last at row {len(episode) - 1} only",
            got=f"is_first at {firsts}, is_last at {lasts}",
            fix="pass one whole episode at a time",
        )
    names = set(episode[0].rewards) - {"task"}, set(episode[0].extra)
    for t, step in enumerate(episode[:-1]):
        if (set(step.rewards) - {"task"}, set(step.extra)) != names:
            raise DataError(
                f"{where}, row {t}",
                expected=f"rewards {sorted(names[0])} and extra {sorted(names[1])} as in row 0",
                got=f"rewards {sorted(step.rewards)} and extra {sorted(step.extra)}",
            )


def _check_obs(step: Step, spec: EnvSpec, where: str) -> None:
    for key, want in spec.obs.items():
        value = step.obs.get(key)
        if value is None or value.shape != want.shape or value.dtype != want.dtype:
            raise SpecError(
                f"{where}, obs '{key}'",
                expected=f"{want.dtype} {want.shape}",
                got="missing" if value is None else f"{value.dtype} {value.shape}",
            )
        if value.dtype.kind == "f" and not np.isfinite(value.astype(np.float64)).all():
            raise DataError(f"{where}, obs '{key}'", expected="finite numbers", got="NaN or infinity")


def _check_action(step: Step, spec: EnvSpec, where: str) -> None:
    try:
        spec.action.validate(step.action)
    except SpecError as error:
        raise type(error)(f"{where}, {error.where}", expected=error.expected, got=error.got) from error
    if step.action.dtype != np.float32 or np.abs(step.action).max(initial=0.0) > 1.0:
        raise SpecError(
            f"{where}, action", expected="float32 in [-1, 1]", got=f"{step.action.dtype} {step.action.tolist()}"
        )


def _disk_error(path: Path, error: Exception) -> RobolearnError:
    return DataError(
        str(path),
        expected="a folder with room to write",
        got=f"{type(error).__name__}: {error}",
        fix="nothing was left",
    )
