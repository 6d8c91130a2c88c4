"""Demonstrations from any file that is understood, and into any form that is written."""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py

from robolearn.core.errors import ConfigError, DataError
from robolearn.core.specs import EnvSpec
from robolearn.core.types import Step
from robolearn.data import lerobot
from robolearn.data.layout import reading
from robolearn.data.reader import read_demos, stored_spec
from robolearn.data.robomimic import RobomimicReader, episode_names, is_robomimic
from robolearn.data.writer import write_demos


@dataclass(kw_only=True, slots=True, frozen=True)
class DemoSource:
    """Demonstrations somewhere on disk."""

    kind: str
    """`robolearn`, `robomimic` or `lerobot`."""
    spec: EnvSpec
    count: int
    """Number of episodes."""
    episodes: Iterator[list[Step]]
    """Read while they are taken; one is in memory at a time."""


def open_demos(path: Path, spec: EnvSpec | None = None, mask: str | None = None) -> DemoSource:
    """Open a demonstration file of ours, one of robomimic, or a LeRobot dataset.

    Args:
        path: The file or folder.
        spec: The env that the steps are for; None takes whatever is there.
        mask: Only the episodes listed under this filter key of an HDF5 file.

    Raises:
        SpecError: If it was recorded with another spec, naming the first difference.
        DataError: If it is missing, foreign or damaged; what is found later is raised while episodes are taken.
    """
    path = Path(path)
    if path.is_dir():
        return _open_lerobot(path, spec, mask)
    if path.is_file() and h5py.is_hdf5(path):
        with reading(path, "file header"):
            file = h5py.File(path, "r")
        with file:
            if is_robomimic(file, path):
                reader = RobomimicReader(file, path, None if spec is None else list(spec.obs))
                if spec is not None:
                    spec.require_same(reader.spec, str(path))
                count = len(episode_names(file, path, mask))
                episodes = _robomimic(path, spec, mask)
                return DemoSource(kind="robomimic", spec=reader.spec, count=count, episodes=episodes)
    stored, count = stored_spec(path, mask)
    return DemoSource(kind="robolearn", spec=stored, count=count, episodes=read_demos(path, spec, mask))


def convert(
    source: DemoSource, out: Path, *, task: str = "task", progress: Callable[[int], None] | None = None
) -> Path:
    """Write demonstrations in another form: `*.hdf5` in our layout, which is robomimic's; anything else as a LeRobot dataset.

    Args:
        source: As `open_demos` returns it; its episodes are taken.
        out: The file or folder to make.
        task: What is done, in words; LeRobot datasets say it.
        progress: Called with the number of finished episodes after each.

    Returns:
        What was written.

    Raises:
        DataError: If the source is damaged, or `out` exists.
    """
    if out.suffix in (".hdf5", ".h5"):
        return write_demos(out, source.spec, source.episodes, env={"id": source.kind}, progress=progress)
    if out.suffix:
        raise DataError(str(out), expected="*.hdf5, or the name of a folder for a LeRobot dataset", got=out.suffix)
    _require_pyarrow(out)
    from robolearn.data.lerobot_writer import write_lerobot

    return write_lerobot(out, source.spec, source.episodes, task=task, progress=progress)


def _require_pyarrow(path: Path) -> None:
    """Raise where the library is missing that loads only for LeRobot datasets."""
    if importlib.util.find_spec("pyarrow") is None:
        raise ConfigError(
            str(path),
            expected="pyarrow, for LeRobot datasets",
            got="not installed",
            fix="pip install 'robolearn[lerobot]'",
        )


def _open_lerobot(path: Path, spec: EnvSpec | None, mask: str | None) -> DemoSource:
    if not lerobot.is_lerobot(path):
        raise DataError(str(path), expected="a LeRobot dataset, or a file", got="another folder")
    if mask is not None:
        raise DataError(str(path), expected="no filter key: LeRobot datasets have none", got=f"'{mask}'")
    _require_pyarrow(path)
    from robolearn.data.lerobot_reader import LeRobotReader

    reader = LeRobotReader(path)
    if spec is not None:
        spec.require_same(reader.spec, str(path))
    return DemoSource(kind="lerobot", spec=reader.spec, count=reader.episodes, episodes=iter(reader))


def _robomimic(path: Path, spec: EnvSpec | None, mask: str | None) -> Iterator[list[Step]]:
    with reading(path, "file header"):
        file = h5py.File(path, "r")
    with file:
        yield from RobomimicReader(file, path, None if spec is None else list(spec.obs)).episodes(mask)
