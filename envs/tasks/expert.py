"""Scripted experts that steer the tool of each arm to a goal."""

import abc
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from robolearn.core.geometry import Pose, Vector, quat_from_rotvec, quat_multiply, quat_rotate, rotation_error
from robolearn.core.robot import CommandMode
from robolearn.core.specs import ActionKind
from robolearn.core.types import Action
from robolearn.envs.action import ActionCodec, SetPoint
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.sim.arm import SimArm
from robolearn.envs.tasks.base import TOOL_DOWN, turned_down, yaw_of

FOLLOWS = 4
"""Steps of inverse kinematics from a set-point to the next."""

NEAR_TURN = 0.1
"""rad by which a turn may fall short and count as possible."""


class Expert(Protocol):
    """Knows what to do next in the env that it watches."""

    def act(self) -> Action:
        """Return the action (A,) for the current state."""
        ...


@dataclass(slots=True, frozen=True)
class Goal:
    """Where the tool of an arm should go next."""

    position: Vector
    """(3,) m in the world."""
    turn: float = 0.0
    """Still to be made about the world's z axis, rad; the tool points down all the while."""
    opening: float = 1.0
    """Of the gripper, in [0, 1]."""
    speed: float = 1.0
    """Share of the expert's own speed that it may go at."""


class CartesianExpert(abc.ABC):
    """Steers tools to goals that depend on the present state only, at a smooth speed that is random from episode to episode.

    An arm that is commanded by joint deltas gets those that lead its tool the same way.
    """

    GAIN = 0.6
    """Share of the remaining way taken in one step, near the goal."""
    PICKUP = 0.35
    """Growth of the speed from step to step, as a share of full speed."""
    STEP = 0.04
    """Longest step, m, of the tool of an arm that is commanded by joint deltas."""
    TURN = 0.2
    """Its largest turn in a step, rad."""

    def __init__(self, env: RobotEnv, arms: Mapping[str, SimArm], rng: np.random.Generator) -> None:
        self._env = env
        self._arms = arms
        self._codec = ActionCodec(env.env_spec.action, {name: arm.spec for name, arm in arms.items()})
        self._full = float(rng.uniform(0.75, 1.0))
        self._pace = 0.0
        parts = self._codec.spec.parts
        self._scales = {(part.arm, part.kind): part.scale for part in parts}

    @abc.abstractmethod
    def goals(self) -> Mapping[str, Goal]:
        """Return where to go next, for each arm."""

    def act(self) -> Action:
        """Return the action (A,) that takes one step towards the goals."""
        self._pace = min(self._full, self._pace + self.PICKUP)
        references = self._env.setpoints
        wanted = {name: self._towards(name, goal, references[name]) for name, goal in self.goals().items()}
        return np.clip(self._codec.encode(wanted, references), -1.0, 1.0).astype(np.float32)

    def _towards(self, name: str, goal: Goal, reference: SetPoint) -> SetPoint:
        """Return the set-point of an arm one step nearer to its goal."""
        arm, base = self._arms[name], self._arms[name].base_in_world
        by_joints = reference.mode is CommandMode.JOINT_POSITION
        here = arm.kinematics.pose(reference.target) if by_joints else Pose.from_array(reference.target)
        tool = base @ here
        way = goal.position - tool.position
        longest = self._pace * goal.speed * self._scales.get((name, ActionKind.TRANSLATION_DELTA), self.STEP)
        length = float(np.linalg.norm(way))
        step = way * min(self.GAIN, longest / length) if length > 1e-9 else way
        most = self._full * self._turn_scale(name)
        angle = float(np.clip(self.GAIN * goal.turn, -most, most))
        if by_joints:
            target = base.inverse() @ Pose(tool.position + step, _righted(tool.quat_wxyz, angle))
            return SetPoint(mode=reference.mode, target=self._joints(name, reference, target), gripper=goal.opening)
        upright = turned_down(yaw_of(tool.quat_wxyz) - yaw_of(TOOL_DOWN) + angle)
        target = base.inverse() @ Pose(tool.position + step, upright)
        return SetPoint(mode=CommandMode.POSE, target=target.to_array(), gripper=goal.opening)

    def _joints(self, name: str, reference: SetPoint, target: Pose) -> Vector:
        """Return the joint angles (n,), one step from the reference, nearer to a tool pose in base."""
        q = reference.target
        for _ in range(FOLLOWS):
            q = self._arms[name].kinematics.follow(q, target, dt=self._env.clock.period_s)
        way = q - reference.target
        most = self._full * self._scales[name, ActionKind.JOINT_DELTA]
        return reference.target + way * min(1.0, most / max(float(np.abs(way).max()), 1e-9))

    def can_turn(self, name: str) -> bool:
        """Return whether the action has a part that turns the tool of an arm."""
        return self._turn_scale(name) > 0.0

    def shortest_turn(self, name: str, angle: float) -> float:
        """Return the smallest turn, rad, that is `angle` but for full turns; 0 if the tool cannot turn.

        An arm that is commanded by joint deltas turns the other way where a joint limit is in the way.
        """
        turn = math.remainder(angle, math.tau)
        if not self.can_turn(name):
            return 0.0
        if self._codec.modes[name] is not CommandMode.JOINT_POSITION:
            return turn
        kinematics, reference = self._arms[name].kinematics, self._env.setpoints[name]
        here = kinematics.pose(reference.target)
        for option in (turn, turn - math.copysign(math.tau, turn)):
            target, q = Pose(here.position, _righted(here.quat_wxyz, option)), reference.target
            for _ in range(2 * FOLLOWS):
                q = kinematics.follow(q, target, dt=self._env.clock.period_s)
            if abs(float(rotation_error(target.quat_wxyz, kinematics.pose(q).quat_wxyz)[2])) < NEAR_TURN:
                return option
        return turn

    def _turn_scale(self, name: str) -> float:
        kinds = (ActionKind.YAW_DELTA, ActionKind.ROTATION_DELTA)
        by_joints = self.TURN if (name, ActionKind.JOINT_DELTA) in self._scales else 0.0
        return max(self._scales.get((name, kind), by_joints) for kind in kinds)


def _righted(quat_wxyz: Vector, angle: float) -> Vector:
    """Return a tool's orientation tilted to straight down the shortest way, then turned about the world's z axis.

    A tool that must stay tilted keeps its heading under repetition of this, unlike the one of its x axis seen from above.
    """
    x, y, z = quat_rotate(quat_wxyz, np.array([0.0, 0.0, 1.0])).tolist()
    level = math.hypot(x, y)
    tilt = math.atan2(level, -z) / max(level, 1e-9)
    upright = quat_multiply(quat_from_rotvec(tilt * np.array([-y, x, 0.0])), quat_wxyz)
    return quat_multiply(quat_from_rotvec(np.array([0.0, 0.0, angle])), upright)
