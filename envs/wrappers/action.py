"""Wrappers that re-express actions, and undo that on what was executed, so that replay stays in the outer coordinates."""

import abc
from collections.abc import Mapping
from typing import Any, Generic, TypeVar, cast

import gymnasium as gym
import msgspec
import numpy as np
from typing_extensions import override

from robolearn.core.errors import ConfigError
from robolearn.core.geometry import Vector, quat_conjugate, quat_multiply, quat_rotate
from robolearn.core.robot import CommandMode
from robolearn.core.specs import ActionKind, ActionSpec, EnvSpec, Frame
from robolearn.core.types import CLIPPED, EXECUTED, PROPRIO, Action, Array, Obs
from robolearn.envs.robot_env import RobotEnv

FrameT = TypeVar("FrameT")
StepResult = tuple[Obs, float, bool, bool, dict[str, Any]]
_RANGE_SLACK = 1e-6
_TURNED = (ActionKind.TRANSLATION_DELTA, ActionKind.ROTATION_DELTA)


class ActionTransform(gym.Wrapper[Obs, Action, Obs, Action], abc.ABC, Generic[FrameT]):
    """Re-express actions in other coordinates, on the way in and on the way out.

    What a human or the safety supervisor put in the place of an action comes back in this wrapper's own coordinates, so
    the order of wrappers changes only which coordinates the human speaks. Where the inverse leaves [-1, 1] it is
    clipped, and `info["executed_clipped"]` says so. Transforms are for frames, units and gripper modes only.
    """

    @abc.abstractmethod
    def context(self) -> FrameT:
        """Return what the map depends on (a pose), read before the step."""

    @abc.abstractmethod
    def inward(self, action: Action, context: FrameT) -> Action:
        """Map an outer action (A,) to the wrapped env's action space."""

    @abc.abstractmethod
    def outward(self, action: Action, context: FrameT) -> Action:
        """Map an executed inner action (A,) back to this wrapper's coordinates; it may leave [-1, 1]."""

    def observation(self, obs: Obs) -> Obs:
        """Return the observation in this wrapper's coordinates; unchanged unless overridden."""
        return obs

    @property
    def env_spec(self) -> EnvSpec:
        """Return the spec of the env as seen from outside; the wrapped env's unless overridden."""
        return cast("EnvSpec", self.env.get_wrapper_attr("env_spec"))

    @override
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Obs, dict[str, Any]]:
        obs, info = self.env.reset(seed=seed, options=options)
        return self.observation(obs), info

    @override
    def step(self, action: Action) -> StepResult:
        self.env_spec.action.validate(np.asarray(action))
        context = self.context()
        obs, reward, terminated, truncated, info = self.env.step(self.inward(action, context))
        executed = self.outward(info[EXECUTED], context)
        clipped = bool((np.abs(executed) > 1.0 + _RANGE_SLACK).any())
        executed = np.minimum(np.maximum(executed, -1.0), 1.0).astype(np.float32)
        info = {**info, EXECUTED: executed, CLIPPED: clipped or bool(info[CLIPPED])}
        return self.observation(obs), float(reward), terminated, truncated, info


class RelativeFrame(ActionTransform[Mapping[str, Vector]]):
    """Let a policy act and see in the tool's frame, so that what it learns holds wherever an episode starts.

    Translation and rotation deltas are turned by the orientation of the set-point (rotation only: they are deltas of a
    pose, not a twist). Position and orientation are seen relative to the pose at reset; twist, wrench and set-point
    error in the tool's frame. A turned action that leaves [-1, 1] is clipped by the env, and reported as executed.
    Absolute headings (`yaw`, `rotation_6d`) would give the frame away: observe `quat_wxyz` instead.

    Args:
        env: A (wrapped) `RobotEnv` whose deltas are in the base frame.

    Raises:
        ConfigError: If the env is no `RobotEnv`, no part can be turned, or an absolute heading is observed.
    """

    def __init__(self, env: gym.Env[Obs, Action]) -> None:
        super().__init__(env)
        if not isinstance(env.unwrapped, RobotEnv):
            raise ConfigError("RelativeFrame", expected="a RobotEnv", got=type(env.unwrapped).__name__)
        self._robots = env.unwrapped
        spec = cast("EnvSpec", env.get_wrapper_attr("env_spec"))
        absolute = [key for key in spec.obs if key.endswith((".yaw", ".rotation_6d"))]
        if absolute:
            raise ConfigError("RelativeFrame", expected="quat_wxyz for the orientation", got=absolute)
        turned = [part.kind in _TURNED and part.frame is Frame.BASE for part in spec.action.parts]
        if not any(turned):
            raise ConfigError("RelativeFrame", expected="a delta in the base frame", got=spec.action.describe())
        self._slices = [
            (part.arm, place)
            for part, place, turn in zip(spec.action.parts, spec.action.slices.values(), turned, strict=True)
            if turn
        ]
        parts = (
            msgspec.structs.replace(part, frame=Frame.TOOL) if turn else part
            for part, turn in zip(spec.action.parts, turned, strict=True)
        )
        self._spec = msgspec.structs.replace(spec, action=ActionSpec(parts=tuple(parts)))

    @property
    @override
    def env_spec(self) -> EnvSpec:
        """Return the spec with the turned parts in the tool's frame."""
        return self._spec

    @override
    def context(self) -> Mapping[str, Vector]:
        """Return the orientation quat_wxyz of each arm's set-point."""
        return {
            arm: setpoint.target[3:]
            for arm, setpoint in self._robots.setpoints.items()
            if setpoint.mode is CommandMode.POSE
        }

    @override
    def inward(self, action: Action, context: Mapping[str, Vector]) -> Action:
        return self._turn(action, context)

    @override
    def outward(self, action: Action, context: Mapping[str, Vector]) -> Action:
        return self._turn(action, {arm: quat_conjugate(quat) for arm, quat in context.items()})

    def _turn(self, action: Action, by: Mapping[str, Vector]) -> Action:
        turned = np.array(action, np.float32)
        for arm, place in self._slices:
            turned[place] = quat_rotate(by[arm], np.array(action[place], np.float64))
        return turned

    @override
    def observation(self, obs: Obs) -> Obs:
        seen = dict(obs)
        for arm, start in self._robots.start.items():
            now = self._robots.states[arm].pose_tool_in_base
            if start.mode is not CommandMode.POSE or now is None:
                continue
            home, here = quat_conjugate(start.target[3:]), quat_conjugate(now.quat_wxyz)
            prefix = f"{PROPRIO}{arm}."
            if prefix + "position" in obs:
                seen[prefix + "position"] = _float32(quat_rotate(home, now.position - start.target[:3]))
            if prefix + "quat_wxyz" in obs:
                seen[prefix + "quat_wxyz"] = _unit(quat_multiply(home, now.quat_wxyz))
            for name in ("twist", "wrench", "setpoint_error"):
                if prefix + name in obs:
                    rows = np.asarray(obs[prefix + name], np.float64).reshape(-1, 3)
                    seen[prefix + name] = _float32(np.concatenate([quat_rotate(here, row) for row in rows]))
        return seen


def _float32(values: Vector) -> Array:
    return values.astype(np.float32)


def _unit(quat_wxyz: Vector) -> Array:
    """Return the quaternion with w >= 0, so that equal orientations look equal."""
    return _float32(np.clip(quat_wxyz if quat_wxyz[0] >= 0.0 else -quat_wxyz, -1.0, 1.0))
