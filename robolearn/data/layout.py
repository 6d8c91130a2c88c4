"""The layout of demonstration files: names, what a file says of itself, and how damage is reported."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from robolearn.core.errors import DataError
from robolearn.core.specs import EnvSpec
from robolearn.core.types import Array

SCHEMA = "robolearn-demos/2"
"""Value of the attribute `schema`; the number grows when a reader of the old form could no longer read the new one."""

DATA = "data"
MASK = "mask"
OBSERVED = ("obs", "next_obs", "last_obs")
"""Groups of observations."""


@dataclass(kw_only=True, slots=True, frozen=True)
class EpisodeInfo:
    """What a file says of one episode."""

    name: str
    """`demo_<i>`."""
    length: int
    """T, the number of actions."""
    success: bool
    """Whether the task was solved at any step."""
    ret: float
    """Sum of the task rewards."""
    intervened: int
    """How many of its steps a human or the supervisor replaced."""
    sources: tuple[str, ...]
    """Who produced its steps, sorted."""


@dataclass(kw_only=True, slots=True, frozen=True)
class DemoInfo:
    """What a demonstration file holds."""

    path: Path
    spec: EnvSpec
    episodes: tuple[EpisodeInfo, ...]
    complete: bool
    """False if recording was interrupted before its last episode."""
    env: Mapping[str, object] = field(default_factory=dict[str, object])
    """The env configuration that the writer stored."""
    masks: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Episode names by filter key (`train`, `valid`, ...)."""

    @property
    def steps(self) -> int:
        """Return the number of actions in all episodes."""
        return sum(episode.length for episode in self.episodes)

    @property
    def successes(self) -> int:
        """Return the number of solved episodes."""
        return sum(episode.success for episode in self.episodes)


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn whatever HDF5 raises on a damaged file into one `DataError` that names the file and the part."""
    try:
        yield
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, IndexError, AttributeError) as error:
        raise DataError(
            f"{path}, {what}",
            expected="an intact demonstration file",
            got=f"{type(error).__name__}: {' '.join(str(error).split())}",
            fix="the file is damaged or cut short: copy it again or record it anew",
        ) from error


def stored_name(column: str) -> str:
    """Return the name of the dataset that holds a column: robomimic's loader takes no slash in the name of an observation.

    >>> stored_name("obs/pixels/front"), stored_name("extra/a/b"), stored_name("actions")
    ('obs/pixels.front', 'extra/a/b', 'actions')
    """
    group, _, key = column.partition("/")
    return f"{group}/{key.replace('/', '.')}" if group in OBSERVED else column


def group_at(parent: h5py.Group, name: str) -> h5py.Group:
    """Return a group by name; KeyError or TypeError if there is none."""
    item = parent[name]
    if not isinstance(item, h5py.Group):
        raise TypeError(f"{name} is not a group")
    return item


def array_at(parent: h5py.Group, name: str) -> Array:
    """Read a whole dataset by name; KeyError or TypeError if there is none."""
    item = parent[name]
    if not isinstance(item, h5py.Dataset):
        raise TypeError(f"{name} is not a dataset")
    return np.asarray(item[()])


def text_at(node: h5py.Group, name: str) -> str:
    """Return a text attribute; KeyError or ValueError if there is none."""
    value = node.attrs[name]
    return value.decode() if isinstance(value, bytes) else str(value)


def number_at(node: h5py.Group, name: str) -> float:
    """Return a numeric attribute; KeyError, TypeError or ValueError if there is none."""
    return float(np.asarray(node.attrs[name]).item())
