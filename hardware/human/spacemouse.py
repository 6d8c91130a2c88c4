"""Taking over by a six-axis mouse, read by pyspacemouse."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from typing_extensions import override

from robolearn.core.errors import ConfigError
from robolearn.core.specs import ActionSpec
from robolearn.hardware.human.source import HumanConfig, HumanSource, Wish

EXTRA = "pip install 'robolearn[spacemouse]' and, on Debian, apt install libhidapi-hidraw0"
MOST = 256
"""Reports that are taken at a time; a mouse that is moved sends some 250 a second."""
_log = logging.getLogger(__name__)


@dataclass(kw_only=True, slots=True)
class SpaceMouseConfig(HumanConfig):
    """A SpaceMouse whose cable points away from the arm's base: pushed forward it moves the tool forward. Left button closes, right one opens."""

    dead: float = 0.1
    """Deflections below this are none."""

    def __post_init__(self) -> None:
        HumanConfig.__post_init__(self)
        if not 0.0 < self.dead < 1.0:
            raise ConfigError("human.dead", expected="in (0, 1)", got=self.dead)


class SpaceMouse(HumanSource):
    """The first mouse that is found.

    Args:
        cfg: How.
        action: What is commanded.
    """

    device = "spacemouse"

    def __init__(self, cfg: SpaceMouseConfig, action: ActionSpec) -> None:
        super().__init__(cfg, action)
        self._dead = cfg.dead
        self._mouse: Any = None

    @override
    def open(self) -> None:
        try:
            import pyspacemouse
            from pyspacemouse.types import AxisConvention
        except (ImportError, OSError) as error:  # the library, or the C library below it
            raise ConfigError("human=spacemouse", expected="pyspacemouse", got=str(error), fix=EXTRA) from error
        try:
            self._mouse = pyspacemouse.open(axis_convention=AxisConvention.ROS)
        except RuntimeError as error:
            fix = "is it plugged in, and may you use it? `robolearn doctor` looks"
            raise ConfigError("human=spacemouse", expected="a mouse", got=str(error), fix=fix) from error

    @override
    def close(self) -> None:
        if self._mouse is not None:
            self._mouse.close()
        self._mouse = None

    @override
    def _read(self) -> Wish:
        try:
            state = self._newest()
        except (OSError, RuntimeError) as error:
            _log.error("the mouse is gone, nobody can take over any more: %s", error)
            self._mouse = None
            state = None
        if state is None:
            return Wish()
        axes = np.array([state.x, state.y, state.z, state.roll, state.pitch, state.yaw], np.float64)
        closes, opens = bool(state.buttons[0]), bool(state.buttons[-1])
        gripper = None if closes is opens else 1.0 if opens else -1.0
        return Wish(axes=np.where(np.abs(axes) < self._dead, 0.0, np.clip(axes, -1.0, 1.0)), gripper=gripper)

    def _newest(self) -> Any:  # noqa: ANN401
        """Return the state after all reports that have come."""
        if self._mouse is None:
            return None
        state, then = None, None
        for _ in range(MOST):
            state = self._mouse.read()
            if state.t == then:
                break
            then = state.t
        return state
