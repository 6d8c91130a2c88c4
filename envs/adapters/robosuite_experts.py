"""Scripted experts of robosuite tasks."""

import abc
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from robolearn.core.errors import ConfigError
from robolearn.core.geometry import Vector, rotation_error
from robolearn.core.specs import ActionKind, ActionSpec
from robolearn.core.types import Action
from robolearn.envs.tasks.expert import Expert

HAND = "robot0"


def raised(place: Vector, height: float) -> Vector:
    """Return a place (3,) so much higher, m."""
    return place + np.array([0.0, 0.0, height])


class HandExpert(abc.ABC):
    """Steers one hand to a place that depends on the present state only, and turns it back to how it pointed at the start.

    Args:
        env: The robosuite env.
        action: What actions mean.
        rng: Draws the pace of the episode.

    Raises:
        ConfigError: If actions do not move the hand in the axes of its base.
    """

    GAIN = 1.0
    """Share of the remaining way asked for in a step: the controller makes only some of it."""
    UPRIGHT = 1.0
    """The same of how the hand is tilted against the start."""

    def __init__(self, env: Any, action: ActionSpec, rng: np.random.Generator) -> None:  # noqa: ANN401  (robosuite has no types)
        kinds = {part.kind: part for part in action.parts if part.arm == HAND}
        if ActionKind.TRANSLATION_DELTA not in kinds:
            raise ConfigError("expert", expected="env.controller=osc_pose or osc_position", got=action.describe())
        self._env = env
        self._spec = action
        self._scale = kinds[ActionKind.TRANSLATION_DELTA].scale
        self._turn_scale = kinds[ActionKind.ROTATION_DELTA].scale if ActionKind.ROTATION_DELTA in kinds else None
        self._pace = float(rng.uniform(0.75, 1.0))
        self._start = self._quat()

    @abc.abstractmethod
    def goal(self) -> tuple[Vector, bool]:
        """Return where the hand should go, (3,) m in the world, and whether it should be open."""

    def act(self) -> Action:
        """Return the action (A,) that takes one step towards the goal."""
        place, opened = self.goal()
        robot = self._env.robots[0]
        base = self._env.sim.data.get_body_xmat(robot.robot_model.root_body)
        way = base.T @ (place - self.hand()) * self.GAIN / self._scale
        way *= min(1.0, self._pace / max(float(np.abs(way).max()), 1e-9))
        action = np.zeros(self._spec.size, np.float32)
        action[self._spec.slices[f"{HAND}.{ActionKind.TRANSLATION_DELTA}"]] = way
        if self._turn_scale is not None:
            turn = base.T @ rotation_error(self._start, self._quat()) * self.UPRIGHT / self._turn_scale
            action[self._spec.slices[f"{HAND}.{ActionKind.ROTATION_DELTA}"]] = np.clip(turn, -1.0, 1.0)
        action[self._spec.slices[f"{HAND}.{ActionKind.GRIPPER}"]] = 1.0 if opened else -1.0
        return action

    def hand(self) -> Vector:
        """Return where the fingertips meet (3,), m in the world."""
        robot = self._env.robots[0]
        return np.array(self._env.sim.data.site_xpos[robot.eef_site_id["right"]])

    def _quat(self) -> Vector:
        """Return how the hand points, wxyz (4,), in the world."""
        return np.array(self._env.sim.data.get_body_xquat(self._env.robots[0].robot_model.eef_name["right"]))

    def place(self, body: int) -> Vector:
        """Return where a body is (3,), m in the world."""
        return np.array(self._env.sim.data.body_xpos[body])

    def holds(self, thing: Any) -> bool:  # noqa: ANN401
        """Return whether both fingers touch an object of robosuite."""
        return bool(self._env._check_grasp(gripper=self._env.robots[0].gripper, object_geoms=thing))


class LiftExpert(HandExpert):
    """Comes down around the cube, closes, and lifts."""

    NEAR, DOWN, HOVER, UP = 0.015, 0.01, 0.08, 0.1
    """m: aside enough to come down, low enough to close, above the cube before that, and how far up then."""

    def goal(self) -> tuple[Vector, bool]:
        """Return the next place and opening."""
        cube, hand = self.place(self._env.cube_body_id), self.hand()
        if self.holds(self._env.cube):
            return raised(hand, self.UP), False
        aside = float(np.linalg.norm(hand[:2] - cube[:2]))
        if aside < self.NEAR and hand[2] - cube[2] < self.DOWN:
            return cube, False
        above = 0.0 if aside < self.NEAR else min(self.HOVER, 4.0 * aside)
        return raised(cube, above), True


class CanExpert(HandExpert):
    """Takes the can, carries it high over the walls of the bins, and lets it fall into the one where it belongs."""

    UPRIGHT = 0.0
    """The bin is as far off as the arm reaches; an upright hand ends centimetres short of it."""
    NEAR, DOWN, HOVER = 0.015, 0.015, 0.12
    """m: aside enough to come down, low enough to close, and above the can before that."""
    CARRY, OVER = 0.3, 0.03
    """m: height over the bin while it is carried, and aside enough to let go."""
    RELEASE = 0.12
    """m: height over the bin at which to let go."""

    def goal(self) -> tuple[Vector, bool]:
        """Return the next place and opening."""
        env, hand = self._env, self.hand()
        can = env.objects[env.object_id]
        here, there = self.place(env.obj_body_id[can.name]), np.array(env.target_bin_placements[env.object_id])
        aside = float(np.linalg.norm(hand[:2] - here[:2]))
        delivered = float(np.linalg.norm(here[:2] - there[:2]))
        if not env.not_in_bin(here, env.object_id):
            return raised(hand, self.HOVER), True
        if delivered < self.OVER and hand[2] < there[2] + self.RELEASE + self.DOWN:
            return hand, True
        if self.holds(can):
            if delivered < self.OVER:
                return np.array([*there[:2], there[2] + self.RELEASE]), False
            top = there[2] + self.CARRY
            risen = here[2] > top - 0.1
            return np.array([*(there[:2] if risen else hand[:2]), top]), False
        if aside < self.NEAR and hand[2] - here[2] < self.DOWN:
            return here, False
        return raised(here, 0.0 if aside < self.NEAR else self.HOVER), True


EXPERTS: Mapping[str, Callable[[Any, ActionSpec, np.random.Generator], Expert]] = {
    "Lift": LiftExpert,
    "PickPlaceCan": CanExpert,
}
"""The tasks that have one."""
