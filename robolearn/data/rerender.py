"""Pictures drawn again from the recorded states of a simulation: other cameras, sizes or looks, or for files without any.

Source of the layout: robomimic's dataset_states_to_obs (states (T, D) and, for robosuite, `model_file`, MJCF of each episode).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import h5py
import msgspec
import numpy as np

from robolearn.core.errors import DataError, SpecError
from robolearn.core.geometry import Vector
from robolearn.core.specs import EnvSpec
from robolearn.core.types import PIXELS, STATES, Obs, Source, Step, last_step
from robolearn.data.convert import DemoSource
from robolearn.data.layout import reading
from robolearn.data.reader import read_demos, stored_spec
from robolearn.data.robomimic import RawEpisode, episode_names, is_robomimic, read_raw


class Recall(Protocol):
    """Shows recorded states."""

    def __call__(self, state: Vector, model: str | None = None) -> tuple[Obs, bool]:
        """Return what is observed in a state (D,), of a model in MJCF if one is given, and whether it is a success."""
        ...


def rerender(path: Path, spec: EnvSpec, recall: Recall, mask: str | None = None) -> DemoSource:
    """Return the demonstrations of a file of ours or of robomimic with pictures drawn again.

    Of our files everything but the pictures stays as it was recorded. Of robomimic's all is observed anew and judged anew: an
    episode ends at its first success, or at its last recorded state.

    Args:
        path: An HDF5 file with states.
        spec: Of the env that `recall` shows states of.
        recall: Shows a state.
        mask: Only the episodes listed under this filter key.

    Raises:
        DataError: If the file is missing, foreign or damaged, or holds no states; what is found later is raised while episodes are
            taken.
        SpecError: If it was recorded with other actions.
    """
    path = Path(path)
    if path.is_file() and h5py.is_hdf5(path):
        with reading(path, "file header"):
            file = h5py.File(path, "r")
        with file:
            if is_robomimic(file, path):
                count = len(episode_names(file, path, mask))
                return DemoSource(
                    kind="robomimic", spec=spec, count=count, episodes=_observed(path, spec, recall, mask)
                )
    stored, count = stored_spec(path, mask)
    pictures = {key: value for key, value in spec.obs.items() if key.startswith(PIXELS)}
    rest = {key: value for key, value in stored.obs.items() if not key.startswith(PIXELS)}
    wanted = msgspec.structs.replace(stored, obs=pictures | rest)
    return DemoSource(kind="robolearn", spec=wanted, count=count, episodes=_redrawn(path, list(pictures), recall, mask))


def _redrawn(path: Path, pictures: Sequence[str], recall: Recall, mask: str | None) -> Iterator[list[Step]]:
    for index, episode in enumerate(read_demos(path, mask=mask)):
        if STATES not in episode[0].extra:
            raise DataError(
                f"{path}, episode {index}", expected="states of the simulation", got="none", fix="record it anew"
            )
        yield [_drawn(step, pictures, recall) for step in episode]


def _drawn(step: Step, pictures: Sequence[str], recall: Recall) -> Step:
    seen, _ = recall(np.asarray(step.extra[STATES], np.float64))
    rest = {key: value for key, value in step.obs.items() if not key.startswith(PIXELS)}
    return replace(step, obs={key: seen[key] for key in pictures} | rest)


def _observed(path: Path, spec: EnvSpec, recall: Recall, mask: str | None) -> Iterator[list[Step]]:
    with reading(path, "file header"):
        file = h5py.File(path, "r")
    with file:
        for name in episode_names(file, path, mask):
            raw = read_raw(file, path, name)
            if raw.actions.shape[1] != spec.action.size:
                raise SpecError(
                    f"{path}, {name}, actions",
                    expected=f"{spec.action.size} values, as the env takes",
                    got=raw.actions.shape[1],
                    fix="choose the env that it was recorded in",
                )
            yield _judged(raw, recall)


def _judged(raw: RawEpisode, recall: Recall) -> list[Step]:
    """Return the rows up to the first success: an action's success shows in the state after it."""
    obs, _ = recall(raw.states[0], raw.model)
    steps: list[Step] = []
    for t in range(len(raw.states) - 1):
        following, success = recall(raw.states[t + 1], raw.model)
        steps.append(
            Step(
                obs=obs,
                action=raw.actions[t],
                rewards={"task": float(success)},
                is_first=not steps,
                success=success,
                source=Source.DEMO,
            )
        )
        obs = following
        if success:
            break
    return [*steps, last_step(steps[-1], obs, terminated=steps[-1].success)]
