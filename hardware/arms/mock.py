"""An arm that is not there, to try a bridge out: its joints go where they are told, as fast as their limits allow."""

from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace
from typing_extensions import override

from robolearn.core.arms import ARMS
from robolearn.core.errors import ConfigError, nearest
from robolearn.core.protocols import Clock
from robolearn.core.robot import CommandMode, RobotState
from robolearn.hardware.arms.path import Reference
from robolearn.hardware.arms.servo import ServoArm

MODES = (CommandMode.JOINT_POSITION, CommandMode.JOINT_VELOCITY)
SENSES = ("gripper", "gripper_speed")
GRIP_SPEED = 2.0
"""Openings per s."""


@dataclass(kw_only=True, slots=True)
class MockConfig:
    """An arm that is not there."""

    arm: str = "panda"
    """What it stands for: `panda`, `so101` or `ur5e`."""
    rate_hz: float = 100.0
    """Of targets."""

    def __post_init__(self) -> None:
        if self.arm not in ARMS:
            raise ConfigError("robot.arm", expected="a known arm", got=self.arm, fix=nearest(self.arm, ARMS))
        if not 10.0 <= self.rate_hz <= 1_000.0:
            raise ConfigError("robot.rate_hz", expected="10 to 1000 Hz", got=self.rate_hz)


class MockArm(ServoArm):
    """Joints without mass.

    Args:
        cfg: What it stands for; of that arm's modes, those in joint coordinates are left, and it senses no more than
            joints and gripper.
        clock: Stamps states; its period is that of a client's commands.
    """

    def __init__(self, cfg: MockConfig, clock: Clock) -> None:
        spec = ARMS[cfg.arm]
        senses = SENSES if spec.gripper_max_m is not None else ()
        super().__init__(replace(spec, modes=MODES, senses=senses), clock, cfg.rate_hz)
        self._q, self._dq = np.array(spec.q_home), np.zeros(len(spec.q_home))
        self._opening, self._grip_speed = 1.0, 0.0

    @override
    def _connect(self) -> None:
        """Do nothing."""

    @override
    def _disconnect(self) -> None:
        """Do nothing."""

    @override
    def _read(self) -> RobotState:
        has_gripper = self._spec.gripper_max_m is not None
        return RobotState(
            stamp_ns=self._clock.now_ns(),
            clock_id=self._clock.clock_id,
            q=self._q.copy(),
            dq=self._dq.copy(),
            gripper=self._opening if has_gripper else None,
            gripper_speed=self._grip_speed if has_gripper else None,
        )

    @override
    def _send(self, reference: Reference, grip: float | None) -> None:
        top, period_s = np.array(self._spec.dq_max), 1.0 / self._rate_hz
        wanted = reference.target
        if reference.mode is CommandMode.JOINT_POSITION:
            wanted = (reference.target - self._q) / period_s
        self._dq = np.clip(wanted, -top, top)
        self._q = np.clip(self._q + period_s * self._dq, self._spec.q_min, self._spec.q_max)
        gap = 0.0 if grip is None else grip - self._opening
        self._grip_speed = min(max(gap / period_s, -GRIP_SPEED), GRIP_SPEED)
        self._opening += period_s * self._grip_speed

    @override
    def _rest(self) -> None:
        self._dq, self._grip_speed = np.zeros_like(self._q), 0.0

    @override
    def _keep_alive(self) -> None:
        """Do nothing."""
