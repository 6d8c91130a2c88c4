"""Reading robomimic's own files: robosuite demonstrations under our names and conventions.

Source: the dataset layout of ARISE-Initiative/robomimic (docs/datasets/overview.md). Quaternions come out with w first, grippers
open at +1 (robosuite closes at +1), and an episode ends at its first success, which robosuite itself never does.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import h5py
import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import DataError, SpecError, nearest
from robolearn.core.geometry import Vector
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, ArraySpec, EnvSpec
from robolearn.core.types import PIXELS, PROPRIO, STATE, STATES, Array, Obs, Source, Step, last_step
from robolearn.data.layout import DATA, MASK, array_at, group_at, reading, text_at

FEATURES = {
    "eef_pos": "position",
    "eef_quat": "quat_wxyz",
    "gripper_qpos": "gripper_q",
    "joint_pos": "q",
    "joint_vel": "dq",
}
"""robosuite's name of what a robot senses -> ours; others keep their name."""
IMAGE = "_image"
SCALES = ((ActionKind.TRANSLATION_DELTA, 3, 0.05), (ActionKind.ROTATION_DELTA, 3, 0.5), (ActionKind.GRIPPER, 1, 1.0))
"""What the seven numbers of a robot's action mean: robosuite's default OSC_POSE, then the gripper."""
DEFAULT_RATE_HZ = 20.0


def is_robomimic(file: h5py.File, path: Path) -> bool:
    """Return whether an open file is in robomimic's layout and says nothing of ours.

    Raises:
        DataError: If it is damaged.
    """
    with reading(path, "attributes"):
        data = file.get(DATA)
        return isinstance(data, h5py.Group) and "env_args" in data.attrs and "schema" not in data.attrs


def our_key(name: str) -> str:
    """Return our name of one of robosuite's observations.

    >>> our_key("agentview_image"), our_key("robot0_eef_quat"), our_key("object")
    ('pixels/agentview', 'proprio/robot0.quat_wxyz', 'state/object')
    """
    if name.endswith(IMAGE):
        return PIXELS + name.removesuffix(IMAGE)
    robot = re.match(r"(robot\d+(?:_right|_left)?)_(.+)", name)
    if robot is None:
        return STATE + name
    return f"{PROPRIO}{robot[1]}.{FEATURES.get(robot[2], robot[2])}"


class RobomimicReader:
    """The episodes of one file, in order.

    Args:
        file: Open; its owner closes it.
        path: For error messages.
        keep: Observations to read, by our names; None for all.

    Raises:
        DataError: If the file is damaged or empty, or holds no observations.
        SpecError: If it does not hold what `keep` asks for.
    """

    def __init__(self, file: h5py.File, path: Path, keep: Sequence[str] | None = None) -> None:
        self.path = path
        self._file = file
        self.names = episode_names(file, path)
        with reading(path, "env_args"):
            self.env_args = cast("Mapping[str, object]", json.loads(text_at(group_at(file, DATA), "env_args")))
        with reading(path, self.names[0]):
            first = group_at(file, f"{DATA}/{self.names[0]}")
            shapes = {str(name): np.shape(cast("h5py.Dataset", node)) for name, node in self._obs_group(first).items()}
            size = int(np.shape(cast("h5py.Dataset", first["actions"]))[1])
        self._keys = {our_key(name): name for name in shapes}
        for key in keep or ():
            if key not in self._keys:
                fix = (
                    "draw pictures from its states: robolearn convert ... env=robosuite/lift"
                    if key.startswith(PIXELS)
                    else ""
                )
                raise SpecError(
                    f"{path}, obs '{key}'", expected="present", got="missing", fix=fix or nearest(key, self._keys)
                )
        self._keys = {key: name for key, name in self._keys.items() if keep is None or key in keep}
        self.spec = EnvSpec(
            obs={key: _array_spec(key, shapes[name][1:]) for key, name in self._keys.items()},
            action=action_spec(size),
            rate_hz=self._rate(),
            max_steps=1_000_000,
        )
        self._signs = _signs(self.spec.action)

    def episodes(self, mask: str | None = None) -> Iterator[list[Step]]:
        """Yield episodes of T + 1 rows; of a filter key, if one is given.

        Raises:
            DataError: If an episode is damaged, or there is no such filter key.
        """
        for name in episode_names(self._file, self.path, mask):
            yield self.episode(name)

    def episode(self, name: str) -> list[Step]:
        """Return one episode, up to its first success."""
        with reading(self.path, name):
            group = group_at(self._file, f"{DATA}/{name}")
            actions = _float32(array_at(group, "actions"))
            rewards = array_at(group, "rewards").astype(np.float64)
            obs = {
                key: _converted(stored, array_at(self._obs_group(group), stored)) for key, stored in self._keys.items()
            }
            following = group_at(group, "next_obs") if "next_obs" in group else None
            length = int(np.flatnonzero(rewards > 0.0)[0]) + 1 if (rewards > 0.0).any() else len(actions)
            last = {key: self._after(obs[key], stored, following, length) for key, stored in self._keys.items()}
            self._check(actions, rewards, obs)
        solved = bool(rewards[length - 1] > 0.0)
        steps = [
            Step(
                obs={key: value[t] for key, value in obs.items()},
                action=np.clip(actions[t] * self._signs, -1.0, 1.0),
                rewards={"task": float(rewards[t])},
                is_first=t == 0,
                success=solved and t == length - 1,
                source=Source.DEMO,
            )
            for t in range(length)
        ]
        return [*steps, last_step(steps[-1], last, terminated=solved)]

    @staticmethod
    def _after(values: Array, stored: str, following: h5py.Group | None, length: int) -> Array:
        """Return what was observed after action `length` - 1."""
        if length < len(values):
            return values[length]
        if following is not None and stored in following:
            return _converted(stored, array_at(following, stored)[length - 1 : length])[0]
        return values[-1]

    def _check(self, actions: NDArray[np.float32], rewards: NDArray[np.float64], obs: Obs) -> None:
        """Raise ValueError if the columns do not belong together."""
        if len(actions) < 1 or actions.shape[1] != self.spec.action.size or len(rewards) != len(actions):
            raise ValueError(f"actions {actions.shape} and rewards {rewards.shape}")
        if np.abs(actions).max() > 1.0 + 1e-6 or not np.isfinite(actions).all() or not np.isfinite(rewards).all():
            raise ValueError("actions beyond [-1, 1], NaN or infinity")
        for key, value in obs.items():
            if value.shape != (len(actions), *self.spec.obs[key].shape):
                raise ValueError(f"{key} of shape {value.shape}")
            if value.dtype.kind == "f" and not np.isfinite(value.astype(np.float64)).all():
                raise ValueError(f"{key} with NaN or infinity")

    def _obs_group(self, group: h5py.Group) -> h5py.Group:
        if "obs" not in group:
            raise ValueError(
                "no observations, only states; observe them with `robolearn convert ... env=robosuite/lift`"
            )
        return group_at(group, "obs")

    def _rate(self) -> float:
        kwargs = self.env_args.get("env_kwargs")
        rate = kwargs.get("control_freq", DEFAULT_RATE_HZ) if isinstance(kwargs, Mapping) else DEFAULT_RATE_HZ
        return float(cast("float", rate))


@dataclass(kw_only=True, slots=True, frozen=True)
class RawEpisode:
    """What robosuite's own recordings hold: no observations, but what it takes to observe."""

    actions: NDArray[np.float32]
    """(T, A), grippers open at +1."""
    states: Vector
    """(T, D) of the simulation, each before its action."""
    model: str | None
    """In MJCF, if the episode has its own."""


def read_raw(file: h5py.File, path: Path, name: str) -> RawEpisode:
    """Return the actions and states of one episode.

    Raises:
        DataError: If it is damaged, or holds no states.
    """
    with reading(path, name):
        group = group_at(file, f"{DATA}/{name}")
        if STATES not in group:
            raise ValueError("no states to draw pictures from")
        actions, states = _float32(array_at(group, "actions")), array_at(group, STATES).astype(np.float64)
        if actions.ndim != 2 or states.ndim != 2 or len(actions) != len(states) or len(states) < 2:
            raise ValueError(f"actions {actions.shape} and states {states.shape}")
        if not (np.isfinite(actions).all() and np.isfinite(states).all()):
            raise ValueError("NaN or infinity")
        model = text_at(group, "model_file") if "model_file" in group.attrs else None
        signs = _signs(action_spec(actions.shape[1]))
    return RawEpisode(actions=np.clip(actions * signs, -1.0, 1.0), states=states, model=model)


def episode_names(file: h5py.File, path: Path, mask: str | None = None) -> list[str]:
    """Return the names of all episodes, in order, or of those listed under a filter key.

    Raises:
        DataError: If there are none, or there is no such filter key.
    """
    with reading(path, "list of episodes"):
        names = sorted(map(str, group_at(file, DATA)), key=lambda name: int(name.removeprefix("demo_")))
        known = list(map(str, group_at(file, MASK))) if MASK in file else []
    if not names:
        raise DataError(str(path), expected="at least one episode", got="none")
    if mask is None:
        return names
    if mask not in known:
        raise DataError(f"{path}, {MASK}", expected=f"'{mask}'", got="absent", fix=nearest(mask, known))
    with reading(path, f"{MASK}/{mask}"):
        return [name.decode() for name in array_at(file, f"{MASK}/{mask}").tolist()]


def action_spec(size: int) -> ActionSpec:
    """Return what an action of robosuite's default controllers means; of another size, nothing is known of it."""
    per_robot = sum(part for _, part, _ in SCALES)
    if size % per_robot:
        return ActionSpec((ActionPart(arm="robot0", kind=ActionKind.NATIVE, size=size),))
    return ActionSpec(
        tuple(
            ActionPart(arm=f"robot{robot}", kind=kind, size=part, scale=scale)
            for robot in range(size // per_robot)
            for kind, part, scale in SCALES
        )
    )


def _signs(spec: ActionSpec) -> NDArray[np.float32]:
    parts = [np.full(part.size, -1.0 if part.kind is ActionKind.GRIPPER else 1.0, np.float32) for part in spec.parts]
    return np.concatenate(parts)


def _array_spec(key: str, shape: tuple[int, ...]) -> ArraySpec:
    if key.startswith(PIXELS):
        return ArraySpec(shape=shape, dtype="uint8", low=0.0, high=255.0)
    return ArraySpec(shape=shape, dtype="float32")


def _converted(stored: str, values: Array) -> Array:
    if stored.endswith(IMAGE):
        if values.dtype != np.uint8:
            raise ValueError(f"{stored} is {values.dtype}, not uint8")
        return values
    vectors = _float32(values)
    return np.roll(vectors, 1, axis=-1) if stored.endswith("_quat") else vectors


def _float32(values: Array) -> NDArray[np.float32]:
    """Return values as float32; what does not fit becomes infinite, which nothing accepts."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)
