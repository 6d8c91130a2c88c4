"""The arrays in which replay keeps its steps: one row a step, one copy of everything."""

import os
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import ConfigError, SpecError, nearest
from robolearn.core.specs import ArraySpec, EnvSpec
from robolearn.core.types import Array, Source, Step

FIRST, LAST, TERMINAL, TRUNCATED, INTERVENED, SUCCESS = (1 << bit for bit in range(6))
"""Bits of the `flags` column."""
SOURCES = tuple(Source)
DEMO = SOURCES.index(Source.DEMO)
"""The `source` column holds positions in `SOURCES`."""

_LARGEST = float(np.finfo(np.float32).max)
_BOOKKEEPING = {
    "index": ArraySpec((), "int64"),
    "stream": ArraySpec((), "int32"),
    "episode": ArraySpec((), "int32"),
    "t": ArraySpec((), "int32"),
    "policy_version": ArraySpec((), "int32"),
    "stamp_ns": ArraySpec((), "int64"),
    "flags": ArraySpec((), "uint8"),
    "source": ArraySpec((), "uint8"),
}


def layout(spec: EnvSpec, rewards: Sequence[str], extra: Mapping[str, ArraySpec]) -> dict[str, ArraySpec]:
    """Return name, shape and dtype of every stored column, in their fixed order.

    Raises:
        SpecError: If no reward is called `task`.
    """
    if "task" not in rewards:
        raise SpecError("replay rewards", expected="names with 'task' among them", got=list(rewards))
    columns = {f"obs/{key}": _plain(value) for key, value in spec.obs.items()}
    columns["action"] = ArraySpec((spec.action.size,), "float32")
    columns |= {f"reward/{name}": ArraySpec((), "float32") for name in rewards}
    columns |= {f"extra/{name}": _plain(value) for name, value in extra.items()}
    return columns | _BOOKKEEPING


class Columns:
    """Row storage for `capacity` steps; memory is committed by the system only as rows are written."""

    def __init__(self, specs: Mapping[str, ArraySpec], capacity: int) -> None:
        self.specs = dict(specs)
        self.capacity = capacity
        self.row_bytes = sum(int(np.prod(s.shape)) * np.dtype(s.dtype).itemsize for s in specs.values())
        self._check_memory()
        self.arrays: dict[str, Array] = {n: np.empty((capacity, *s.shape), s.dtype) for n, s in specs.items()}
        self.index = _typed(self.arrays["index"], np.int64)
        self.episode = _typed(self.arrays["episode"], np.int32)
        self.t = _typed(self.arrays["t"], np.int32)
        self.flags = _typed(self.arrays["flags"], np.uint8)
        self.source = _typed(self.arrays["source"], np.uint8)
        self.index.fill(-1)
        self._obs = [n.removeprefix("obs/") for n in specs if n.startswith("obs/")]
        self._rewards = [n.removeprefix("reward/") for n in specs if n.startswith("reward/")]
        self._extra = [n.removeprefix("extra/") for n in specs if n.startswith("extra/")]

    @property
    def nbytes(self) -> int:
        """Return the bytes of all arrays at full capacity."""
        return sum(array.nbytes for array in self.arrays.values())

    def check(self, step: Step) -> None:
        """Check that `step` can be stored.

        Raises:
            SpecError: If a key, shape, dtype or flag does not fit, or a number is not finite.
        """
        for key in self._obs:
            if key not in step.obs:
                raise SpecError(f"step obs '{key}'", expected="present", got="missing", fix=nearest(key, step.obs))
            _fits(f"step obs '{key}'", step.obs[key], self.specs[f"obs/{key}"])
        _fits("step action", step.action, self.specs["action"])
        for name in self._rewards:
            if name not in step.rewards and not step.is_last:
                known = nearest(name, step.rewards)
                raise SpecError(f"step reward '{name}'", expected="present", got="missing", fix=known)
            if not abs(step.rewards.get(name, 0.0)) <= _LARGEST:
                raise SpecError(f"step reward '{name}'", expected="a finite number", got=step.rewards[name])
        for name in self._extra:
            if name in step.extra:
                _fits(f"step extra '{name}'", step.extra[name], self.specs[f"extra/{name}"])
        if (step.is_terminal or step.is_truncated) and not step.is_last:
            raise SpecError("step flags", expected="is_terminal or is_truncated only with is_last", got="without it")

    def write(self, slot: int, step: Step, index: int, stream: int, episode: int, t: int) -> None:
        """Copy a checked step into row `slot`."""
        arrays = self.arrays
        for key in self._obs:
            arrays[f"obs/{key}"][slot] = step.obs[key]
        arrays["action"][slot] = step.action
        for name in self._rewards:
            arrays[f"reward/{name}"][slot] = step.rewards.get(name, 0.0)
        for name in self._extra:
            arrays[f"extra/{name}"][slot] = step.extra.get(name, 0)
        self.index[slot] = index
        arrays["stream"][slot] = stream
        self.episode[slot] = episode
        self.t[slot] = t
        arrays["policy_version"][slot] = step.policy_version
        arrays["stamp_ns"][slot] = step.stamp_ns
        self.flags[slot] = _pack(step)
        self.source[slot] = SOURCES.index(step.source)

    def read(self, slot: int) -> Step:
        """Return a copy of row `slot` as a step."""
        arrays, flags = self.arrays, int(self.flags[slot])
        return Step(
            obs={key: arrays[f"obs/{key}"][slot].copy() for key in self._obs},
            action=arrays["action"][slot].astype(np.float32),
            rewards={name: float(arrays[f"reward/{name}"][slot]) for name in self._rewards},
            is_first=bool(flags & FIRST),
            is_last=bool(flags & LAST),
            is_terminal=bool(flags & TERMINAL),
            is_truncated=bool(flags & TRUNCATED),
            intervened=bool(flags & INTERVENED),
            success=bool(flags & SUCCESS),
            source=SOURCES[int(self.source[slot])],
            policy_version=int(arrays["policy_version"][slot]),
            stamp_ns=int(arrays["stamp_ns"][slot]),
            extra={name: np.array(arrays[f"extra/{name}"][slot]) for name in self._extra},
        )

    def _check_memory(self) -> None:
        needed = self.row_bytes * self.capacity
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if needed > machine:
            raise ConfigError(
                "replay capacity",
                expected=f"at most {machine // self.row_bytes:,} rows ({machine / 1e9:.1f} GB of memory)",
                got=f"{self.capacity:,} rows of {self.row_bytes:,} bytes ({needed / 1e9:.1f} GB)",
                fix="lower the capacity or the image size",
            )


def _plain(spec: ArraySpec) -> ArraySpec:
    return ArraySpec(tuple(spec.shape), spec.dtype)


def _typed(array: Array, dtype: type[np.generic]) -> NDArray:
    return array.view(dtype)


def _fits(where: str, value: Array, spec: ArraySpec) -> None:
    if value.dtype != spec.dtype or value.shape != spec.shape:
        raise SpecError(
            where,
            expected=f"{spec.dtype} {spec.shape}",
            got=f"{value.dtype} {value.shape}",
            fix="is a resize, cast or batch dimension missing or superfluous?",
        )
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        raise SpecError(where, expected="finite numbers", got=value.tolist())


def _pack(step: Step) -> int:
    return (
        FIRST * step.is_first
        | LAST * step.is_last
        | TERMINAL * step.is_terminal
        | TRUNCATED * step.is_truncated
        | INTERVENED * (step.intervened or step.source is Source.INTERVENTION)
        | SUCCESS * step.success
    )
