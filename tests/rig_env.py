"""A `RobotEnv` over fakes, with the fakes at hand."""

import numpy as np
from fakes import FakeArm, FakeCamera, FakeTask, ManualClock

from robolearn.core.specs import ActionKind, ActionPart, ActionSpec
from robolearn.envs.robot_env import RobotEnv
from robolearn.safety import SafetyLimits, SupervisedRobot

ACTION = ActionSpec(
    parts=(
        ActionPart(arm="arm", kind=ActionKind.TRANSLATION_DELTA, size=3, scale=0.05),
        ActionPart(arm="arm", kind=ActionKind.YAW_DELTA, size=1, scale=0.2),
        ActionPart(arm="arm", kind=ActionKind.GRIPPER, size=1),
    )
)
WIDE = {"workspace_low": (-1.0, -1.0, -1.0), "workspace_high": (1.5, 1.0, 1.5)}


class Bench:
    """An env with its fakes at hand."""

    def __init__(
        self,
        limits: SafetyLimits | None = None,
        arms: tuple[str, ...] = ("arm",),
        action: ActionSpec = ACTION,
        gain: float = 1.0,
        **more: object,
    ) -> None:
        self.clock = ManualClock(0.1)
        self.fakes = {name: FakeArm(self.clock, name=name, gain=gain) for name in arms}
        self.clock.parts.extend(fake.advance for fake in self.fakes.values())
        self.arm = next(iter(self.fakes.values()))
        self.camera = FakeCamera(self.clock, self.arm)
        self.task = FakeTask()
        limits = limits or SafetyLimits(**WIDE)
        self.robots = {name: SupervisedRobot(fake, limits, self.clock) for name, fake in self.fakes.items()}
        arguments = {"max_steps": 20, "snapshots": {"task": self.task}, **more}
        self.env = RobotEnv(
            arms=self.robots,
            cameras={"front": self.camera},
            task=self.task,
            action=action,
            clock=self.clock,
            **arguments,
        )


def act(x: float = 0.0, y: float = 0.0, z: float = 0.0, yaw: float = 0.0, gripper: float = 1.0) -> np.ndarray:
    return np.array([x, y, z, yaw, gripper], np.float32)
