"""What devices by which a person takes over have in common: six axes, a gripper, and for how long the person is in charge."""

import abc
import time
from dataclasses import dataclass, field

import numpy as np

from robolearn.core.errors import ConfigError
from robolearn.core.geometry import Vector
from robolearn.core.protocols import Event, Intervention
from robolearn.core.specs import ActionKind, ActionSpec
from robolearn.core.types import Obs

AXES = {
    ActionKind.TRANSLATION_DELTA: slice(0, 3),
    ActionKind.ROTATION_DELTA: slice(3, 6),
    ActionKind.YAW_DELTA: slice(5, 6),
}
"""Of x, y, z and the rotations about them, those that a part of an action takes."""
_S_TO_NS = 1e9


@dataclass(kw_only=True, slots=True)
class HumanConfig:
    """How a person takes over."""

    arm: str = ""
    """Which arm is moved; empty for the first one."""
    hold_s: float = 0.5
    """For so long after the last motion the person stays in charge, and the arm holds still."""
    gain: float = 1.0
    """Share of the largest action at full deflection."""

    def __post_init__(self) -> None:
        if self.hold_s < 0.0 or not 0.0 < self.gain <= 1.0:
            raise ConfigError("human", expected="hold_s >= 0, gain in (0, 1]", got=self)


@dataclass(slots=True)
class Wish:
    """What a person wants now."""

    axes: Vector = field(default_factory=lambda: np.zeros(6))
    """In [-1, 1]: along x, y and z, and about them."""
    gripper: float | None = None
    """-1 to close, +1 to open; None for neither."""
    hold: bool = False
    """Whether the policy is to be stopped without any motion."""
    events: tuple[str, ...] = ()
    """What was signalled: `success`, `failure`, `stop`."""


class HumanSource(abc.ABC):
    """An `InterventionSource` over a device, which is opened before it is asked.

    Whoever moves the device is in charge of all of an arm's motion, and stays so for a moment; of the gripper only once they have used it. Everything
    that is commanded goes through the supervisor like what a policy does.

    Args:
        cfg: Which arm, how fast.
        action: What is commanded: the arm must be moved by deltas of its tool.

    Raises:
        ConfigError: If there is no such arm, or it is moved in another way.
    """

    device = "human"
    """Its name in interventions and events."""

    def __init__(self, cfg: HumanConfig, action: ActionSpec) -> None:
        self._cfg, self._size = cfg, action.size
        arm = cfg.arm or action.parts[0].arm
        parts = {part.kind: action.slices[part.name] for part in action.parts if part.arm == arm}
        if ActionKind.TRANSLATION_DELTA not in parts:
            fix = "choose another env.action, or no human"
            raise ConfigError("human.arm", expected="an arm moved by translation_delta", got=action.describe(), fix=fix)
        self._axes = [(parts[kind], taken) for kind, taken in AXES.items() if kind in parts]
        self._gripper_at = parts.get(ActionKind.GRIPPER)
        self._gripper: float | None = None
        self._until_ns = 0
        self._events: list[Event] = []

    def poll(self, obs: Obs) -> Intervention | None:
        """Return what the person wants, or None while the policy is in charge; never blocks."""
        wish, now_ns = self._read(), time.monotonic_ns()
        self._events += [Event(name=name, stamp_ns=now_ns, device=self.device) for name in wish.events]
        if wish.gripper is not None:
            self._gripper = wish.gripper
        if wish.axes.any() or wish.gripper is not None or wish.hold:
            self._until_ns = now_ns + round(self._cfg.hold_s * _S_TO_NS)
        elif now_ns >= self._until_ns:
            self._gripper = None
            return None
        action, mask = np.zeros(self._size, np.float32), np.zeros(self._size, np.bool_)
        for part, taken in self._axes:
            action[part], mask[part] = self._cfg.gain * wish.axes[taken], True
        if self._gripper is not None and self._gripper_at is not None:
            action[self._gripper_at], mask[self._gripper_at] = self._gripper, True
        return Intervention(action=action, mask=mask, stamp_ns=now_ns, device=self.device)

    def events(self) -> list[Event]:
        """Return and forget what was signalled."""
        events, self._events = self._events, []
        return events

    @abc.abstractmethod
    def open(self) -> None:
        """Open the device.

        Raises:
            ConfigError: If there is none, or it may not be used.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of the device; may be called twice."""

    @abc.abstractmethod
    def _read(self) -> Wish:
        """Return what is wanted now; never blocks. A device that is unplugged wants nothing."""
