"""Reading demonstration files: every array checked, every kind of damage one `DataError`."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

from robolearn.core.errors import DataError, nearest
from robolearn.core.specs import EnvSpec
from robolearn.core.types import STATES, Array, Obs, Source, Step, last_step
from robolearn.data.layout import (
    DATA,
    MASK,
    SCHEMA,
    DemoInfo,
    EpisodeInfo,
    array_at,
    group_at,
    number_at,
    reading,
    stored_name,
    text_at,
)

Columns = dict[str, Array]


def read_demos(path: Path, spec: EnvSpec | None = None, mask: str | None = None) -> Iterator[list[Step]]:
    """Yield the episodes of a demonstration file, one at a time, in the order in which they were recorded.

    Args:
        path: A file written by `DemoWriter`.
        spec: The env that the steps are for; None takes whatever the file holds.
        mask: Yield only the episodes listed under this filter key.

    Yields:
        T + 1 rows; image rows are views of one array per camera and episode.

    Raises:
        SpecError: If the file was recorded with another spec, naming the first difference.
        DataError: If the file is missing, foreign, empty, damaged or inconsistent.
    """
    path = Path(path)
    with _open(path) as file:
        stored = _spec(file, path)
        if spec is not None:
            spec.require_same(stored, str(path))
        for name in _chosen(file, path, mask):
            yield _steps(_load(file, path, name, stored))


def stored_spec(path: Path, mask: str | None = None) -> tuple[EnvSpec, int]:
    """Return the spec that a demonstration file was recorded with, and the number of its episodes (under a filter key).

    Raises:
        DataError: If the file is missing, foreign or damaged, or there is no such filter key.
    """
    path = Path(path)
    with _open(path) as file:
        return _spec(file, path), len(_chosen(file, path, mask))


def inspect_demos(path: Path) -> DemoInfo:
    """Return what a demonstration file holds; reads every episode, so a damaged one is found.

    Raises:
        DataError: If the file is missing, foreign, empty, damaged or inconsistent.
    """
    path = Path(path)
    with _open(path) as file:
        spec = _spec(file, path)
        names = _names(file, path)
        episodes = tuple(_episode_info(name, _load(file, path, name, spec)) for name in names)
        with reading(path, "env_args"):
            env = json.loads(text_at(group_at(file, DATA), "env_args"))["env_kwargs"]
            complete = bool(number_at(group_at(file, DATA), "complete"))
        masks = _masks(file, path, names)
    return DemoInfo(path=path, spec=spec, episodes=episodes, complete=complete, env=env, masks=masks)


def _open(path: Path) -> h5py.File:
    if not path.is_file():
        raise DataError(str(path), expected="a demonstration file", got="no such file", fix="record one first")
    if not h5py.is_hdf5(path):
        size = path.stat().st_size
        raise DataError(
            str(path), expected="an HDF5 file", got=f"{size} bytes of another kind", fix="is the path right?"
        )
    with reading(path, "file header"):
        return h5py.File(path, "r")


def _spec(file: h5py.File, path: Path) -> EnvSpec:
    with reading(path, "attributes"):
        data = group_at(file, DATA) if DATA in file else None
        schema = text_at(data, "schema") if data is not None and "schema" in data.attrs else None
    if data is None or schema != SCHEMA:
        raise DataError(
            str(path), expected=f"schema '{SCHEMA}'", got=schema or "none", fix="was it recorded by `robolearn record`?"
        )
    with reading(path, "specs"):
        plain = {
            "obs": json.loads(text_at(data, "obs_spec")),
            "action": json.loads(text_at(data, "action_spec")),
            "rate_hz": number_at(data, "rate_hz"),
            "max_steps": int(number_at(data, "max_steps")),
        }
    return EnvSpec.from_plain(plain, f"{path}, specs")


def _names(file: h5py.File, path: Path) -> tuple[str, ...]:
    with reading(path, "list of episodes"):
        data = group_at(file, DATA)
        names = tuple(sorted(map(str, data), key=lambda name: int(name.removeprefix("demo_"))))
        total = int(number_at(data, "total"))
        lengths = sum(int(number_at(group_at(data, name), "num_samples")) for name in names)
    if not names:
        raise DataError(str(path), expected="at least one episode", got="none", fix="record it anew")
    if total != lengths:
        raise DataError(str(path), expected=f"{total} steps in all", got=lengths, fix="episodes are missing")
    return names


def _chosen(file: h5py.File, path: Path, mask: str | None) -> tuple[str, ...]:
    """Return the names of all episodes, or of those listed under a filter key."""
    names = _names(file, path)
    if mask is None:
        return names
    masks = _masks(file, path, names)
    if mask not in masks:
        raise DataError(f"{path}, {MASK}", expected=f"'{mask}'", got="absent", fix=nearest(mask, masks))
    return masks[mask]


def _masks(file: h5py.File, path: Path, names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    with reading(path, MASK):
        keys = list(map(str, group_at(file, MASK))) if MASK in file else []
        masks = {key: tuple(name.decode() for name in array_at(file, f"{MASK}/{key}").tolist()) for key in keys}
    for key, listed in masks.items():
        unknown = sorted(set(listed) - set(names))
        if unknown:
            raise DataError(f"{path}, {MASK}/{key}", expected="episodes of this file", got=unknown)
    return masks


def _load(file: h5py.File, path: Path, name: str, spec: EnvSpec) -> Columns:
    """Return all columns of one episode, checked against each other and the spec."""
    with reading(path, name):
        group = group_at(file, f"{DATA}/{name}")
        wanted = _wanted(group, spec, int(number_at(group, "num_samples")))
        columns: Columns = {key: array_at(group, stored_name(key)) for key in wanted}
    for key, (dtype, shape) in wanted.items():
        value = columns[key]
        # an empty dtype stands for a column that the spec does not describe: only its length is known
        fits = value.shape[:1] == shape if not dtype else (value.shape == shape and value.dtype == dtype)
        if not fits:
            raise DataError(
                f"{path}, {name}/{key}",
                expected=f"{dtype} {shape}".strip(),
                got=f"{value.dtype} {value.shape}",
                fix="its datasets do not belong together; record it anew",
            )
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise DataError(f"{path}, {name}/{key}", expected="finite numbers", got="NaN or infinity")
    if np.abs(columns["actions"].astype(np.float64)).max() > 1.0:
        raise DataError(f"{path}, {name}/actions", expected="values in [-1, 1]", got="values beyond")
    unknown = {source.decode(errors="replace") for source in columns["source"].tolist()} - set(Source)
    if unknown:
        raise DataError(f"{path}, {name}/source", expected=f"one of {', '.join(Source)}", got=", ".join(unknown))
    return columns


def _wanted(group: h5py.Group, spec: EnvSpec, length: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return dtype and shape by dataset name; an empty dtype leaves all but the first dimension open."""
    if length < 1:
        raise ValueError(f"num_samples is {length}")
    wanted: dict[str, tuple[str, tuple[int, ...]]] = {
        "actions": ("float32", (length, spec.action.size)),
        "rewards": ("float64", (length,)),
        "source": ("S16", (length,)),
        "policy_version": ("int64", (length,)),
        "stamp_ns": ("int64", (length + 1,)),
    }
    wanted |= dict.fromkeys(("terminated", "truncated", "intervened", "success"), ("bool", (length,)))
    for key, array in spec.obs.items():
        wanted[f"obs/{key}"] = (array.dtype, (length, *array.shape))
        wanted[f"last_obs/{key}"] = (array.dtype, (1, *array.shape))
    if STATES in group:
        wanted |= {STATES: ("", (length,)), f"last_{STATES}": ("", (1,))}
    for open_group in ("reward_terms", "extra"):
        if open_group in group:
            wanted |= {f"{open_group}/{key}": ("", (length,)) for key in _leaves(group_at(group, open_group))}
    return wanted


def _leaves(group: h5py.Group) -> list[str]:
    """Return the paths of all datasets below a group: names of columns may contain slashes."""
    found: list[str] = []
    group.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return found


def _steps(columns: Columns) -> list[Step]:
    length = len(columns["actions"])
    terms = _below(columns, "reward_terms/")
    extra = _below(columns, "extra/") | ({STATES: columns[STATES]} if STATES in columns else {})
    obs = _below(columns, "obs/")
    sources = [Source(name.decode()) for name in columns["source"].tolist()]
    steps = [
        Step(
            obs={key: values[t] for key, values in obs.items()},
            action=columns["actions"][t],
            rewards={"task": float(columns["rewards"][t])} | {key: float(values[t]) for key, values in terms.items()},
            is_first=t == 0,
            intervened=bool(columns["intervened"][t]),
            success=bool(columns["success"][t]),
            source=sources[t],
            policy_version=int(columns["policy_version"][t]),
            stamp_ns=int(columns["stamp_ns"][t]),
            extra={key: values[t] for key, values in extra.items()},
        )
        for t in range(length)
    ]
    obs = {key: values[0] for key, values in _below(columns, "last_obs/").items()}
    last = last_step(steps[-1], obs, bool(columns["terminated"][-1]))
    truncated, stamp_ns = bool(columns["truncated"][-1]), int(columns["stamp_ns"][-1])
    shown = {**last.extra, STATES: columns[f"last_{STATES}"][0]} if STATES in columns else last.extra
    steps.append(replace(last, is_truncated=truncated, stamp_ns=stamp_ns, extra=shown))
    return steps


def _below(columns: Mapping[str, Array], prefix: str) -> Obs:
    return {key.removeprefix(prefix): values for key, values in columns.items() if key.startswith(prefix)}


def _episode_info(name: str, columns: Columns) -> EpisodeInfo:
    return EpisodeInfo(
        name=name,
        length=len(columns["actions"]),
        success=bool(columns["success"].any()),
        ret=float(columns["rewards"].sum()),
        intervened=int(columns["intervened"].sum()),
        sources=tuple(sorted({source.decode() for source in columns["source"].tolist()})),
    )
