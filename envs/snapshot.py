"""Snapshots of an env: set-points, counters and random generators as plain arrays."""

import abc
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from robolearn.core.rng import rng_state, set_rng_state
from robolearn.core.robot import CommandMode
from robolearn.envs.action import SetPoint

Arrays = dict[str, NDArray[np.generic]]
Saved = dict[str, Arrays]
_MODES = tuple(CommandMode)
_WORD = 2**64


class Snapshotted(abc.ABC):
    """Something with `save` and `restore`, which are one attribute as well: `set_attr` of a vector env can put a state back."""

    @abc.abstractmethod
    def save(self) -> Saved:
        """Return the state as plain arrays."""

    @abc.abstractmethod
    def restore(self, saved: Mapping[str, Mapping[str, NDArray[np.generic]]]) -> None:
        """Put back what `save` returned.

        Raises:
            SpecError: If a part is missing.
        """

    @property
    def snapshot(self) -> Saved:
        """The state as an attribute."""
        return self.save()

    @snapshot.setter
    def snapshot(self, saved: Mapping[str, Mapping[str, NDArray[np.generic]]]) -> None:
        self.restore(saved)


def save_setpoints(setpoints: Mapping[str, SetPoint]) -> Arrays:
    """Return `<arm>/mode`, `<arm>/target` and `<arm>/gripper` (NaN for None) for every arm."""
    saved: Arrays = {}
    for arm, setpoint in setpoints.items():
        saved[f"{arm}/mode"] = np.array(_MODES.index(setpoint.mode))
        saved[f"{arm}/target"] = setpoint.target.copy()
        saved[f"{arm}/gripper"] = np.array(np.nan if setpoint.gripper is None else setpoint.gripper)
    return saved


def load_setpoints(saved: Mapping[str, NDArray[np.generic]]) -> dict[str, SetPoint]:
    """Rebuild what `save_setpoints` returned."""
    setpoints: dict[str, SetPoint] = {}
    for arm in [name.removesuffix("/target") for name in saved if name.endswith("/target")]:
        gripper = float(saved[f"{arm}/gripper"])
        setpoints[arm] = SetPoint(
            mode=_MODES[int(saved[f"{arm}/mode"])],
            target=np.array(saved[f"{arm}/target"], np.float64),
            gripper=None if np.isnan(gripper) else gripper,
        )
    return setpoints


def save_rng(rng: np.random.Generator) -> Arrays:
    """Return the state of a PCG64 generator; its 128-bit words as two uint64, low first."""
    state = rng_state(rng)
    words = [part for name in ("state", "inc") for part in (state[name] % _WORD, state[name] // _WORD)]
    return {"words": np.array(words, np.uint64), "rest": np.array([state["has_uint32"], state["uinteger"]], np.int64)}


def load_rng(rng: np.random.Generator, saved: Mapping[str, NDArray[np.generic]]) -> None:
    """Put back what `save_rng` returned, in place."""
    a, b, c, d = (int(word) for word in saved["words"])
    has_uint32, uinteger = (int(number) for number in saved["rest"])
    state = {"state": a + b * _WORD, "inc": c + d * _WORD, "has_uint32": has_uint32, "uinteger": uinteger}
    set_rng_state(rng, state)
