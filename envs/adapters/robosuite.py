"""robosuite 1.5: any of its tasks, with seeds that reproduce, our action and observation conventions, and cheaper pictures."""

import importlib
import importlib.metadata
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import ConfigError, nearest
from robolearn.core.geometry import Vector
from robolearn.core.protocols import Outcome
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, ArraySpec, EnvSpec
from robolearn.core.types import PIXELS, PROPRIO, STATE, Action, Array, Obs
from robolearn.envs.adapters.config import RobosuiteConfig
from robolearn.envs.adapters.robosuite_experts import EXPERTS
from robolearn.envs.adapters.seeding import seeded
from robolearn.envs.adapters.view import (
    COLLISION_GROUP,
    FAST,
    FASTEST,
    FILM,
    STOCK,
    VISUAL_GROUP,
    ModelView,
    camera_numbers,
    paint_collision_geoms,
)
from robolearn.envs.sim.stage import Stage
from robolearn.envs.tasks.expert import Expert

VERSION = "1.5.1"
"""1.5.2 needs numpy below 2."""
EXTRA = "pip install 'robolearn[robosuite]'"
SHOWN = (VISUAL_GROUP, 2)
"""Geom groups that robosuite draws."""
PROFILES = {
    "stock": replace(STOCK, groups=SHOWN),
    "fast": replace(FAST, groups=SHOWN),
    "fastest": replace(FASTEST, groups=(COLLISION_GROUP,)),
}
FEATURES = {
    "position": "eef_pos",
    "quat_wxyz": "eef_quat",
    "gripper_q": "gripper_qpos",
    "q": "joint_pos",
    "dq": "joint_vel",
}
"""Our name of what an arm senses -> robosuite's."""
_PARTS = {
    "OSC_POSE": ((ActionKind.TRANSLATION_DELTA, 3), (ActionKind.ROTATION_DELTA, 3)),
    "OSC_POSITION": ((ActionKind.TRANSLATION_DELTA, 3),),
    "JOINT_POSITION": ((ActionKind.JOINT_DELTA, 0),),
}
_HORIZON = 1_000_000
"""Time limits are ours to keep."""
_CAMERAS_OF_PEOPLE = ("agentview", "frontview")


class RobosuiteSimulation:
    """A robosuite task behind `AdaptedEnv`.

    Success ends an episode for good; robosuite itself never ends one. Grippers are turned round to our convention (+1 open).

    Raises:
        ConfigError: If robosuite is missing or has another version, or it does not know a name.
    """

    def __init__(self, cfg: RobosuiteConfig) -> None:
        suite = import_robosuite()
        self._cfg = cfg
        self._compiled: str | None = None
        with seeded(0):
            self._env = _make(suite, cfg)
            self._seen: Mapping[str, Any] = self._env.reset()
        if cfg.profile == "fastest":
            paint_collision_geoms(self._model)
        self.stage = Stage(model=self._model, data=self._data)
        """How it looks."""
        self._view = ModelView(self.stage, PROFILES[cfg.profile], cfg.image_size)
        self._film = ModelView(self.stage, PROFILES["stock"], FILM)
        wanted = [] if cfg.observation == "state" else cfg.cameras
        self._cameras = camera_numbers(self._model, wanted)
        self._senses = _senses(self._env, cfg.proprio, self._seen)
        self._objects = () if cfg.observation == "images" else _privileged(self._env, self._seen)
        parts, signs = _action_parts(self._env)
        self._signs = np.concatenate(signs)
        frames = ArraySpec(shape=(cfg.image_size, cfg.image_size, 3), dtype="uint8", low=0.0, high=255.0)
        vectors = {key: ArraySpec(shape=value.shape, dtype="float32") for key, value in self._vectors().items()}
        self._spec = EnvSpec(
            obs={PIXELS + name: frames for name in self._cameras} | vectors,
            action=ActionSpec(parts=tuple(parts)),
            rate_hz=cfg.rate_hz,
            max_steps=_HORIZON,
        )

    @property
    def env_spec(self) -> EnvSpec:
        """Return what is observed and what actions mean."""
        return self._spec

    @property
    def robosuite(self) -> Any:  # noqa: ANN401  (robosuite has no types)
        """The robosuite env itself."""
        return self._env

    def reset(self, seed: int) -> None:
        """Begin an episode: a seed decides all that robosuite draws, from whatever generator."""
        with seeded(seed):
            self._seen = self._env.reset()
        self.stage.follow(self._model, self._data)
        if self._cfg.recompile and self._cfg.profile == "fastest":
            paint_collision_geoms(self._model)

    def step(self, action: Action) -> Outcome:
        """Carry out an action (A,) for one control period."""
        self._seen, reward, _, _ = self._env.step(self._signs * action)
        success = bool(self._env._check_success())
        sparse = self._cfg.reward == "sparse"
        terms = {} if sparse else {"robosuite": float(reward)}
        return Outcome(
            reward=float(success) if sparse else float(reward), success=success, terminated=success, terms=terms
        )

    def observe(self) -> Obs:
        """Return what is seen now."""
        frames = self._view.frames(self._cameras) if self._cameras else {}
        return {**frames, **self._vectors()}

    def picture(self) -> NDArray[np.uint8]:
        """Return an image (H, W, 3) as robosuite draws it."""
        names = [name for name in _CAMERAS_OF_PEOPLE if name in self._env.sim.model.camera_names]
        cameras = camera_numbers(self._model, names[:1])
        (frame,) = self._film.frames(cameras).values()
        return frame.astype(np.uint8)

    def expert(self, rng: np.random.Generator) -> Expert:
        """Return the scripted expert of the present episode.

        Raises:
            ConfigError: If there is none for this task, or not for this action.
        """
        expert = EXPERTS.get(self._cfg.task)
        if expert is None:
            raise ConfigError(
                "expert", expected="a task with one", got=self._cfg.task, fix=nearest(self._cfg.task, EXPERTS)
            )
        return expert(self._env, self._spec.action, rng)

    def recall(self, state: Vector, model: str | None) -> bool:
        """Show a recorded state (D,), of a model in MJCF where episodes have their own, and return whether it is a success.

        Raises:
            SpecError: If the state is of another model.
        """
        if model is not None and model != self._compiled:
            with seeded(0):
                self._env.reset_from_xml_string(self._env.edit_model_xml(model))
            self._compiled = model
            self.stage.follow(self._model, self._data)
            if self._cfg.profile == "fastest":
                paint_collision_geoms(self._model)
        self.stage.recall(state)
        self._seen = self._env._get_observations(force_update=True)
        return bool(self._env._check_success())

    def close(self) -> None:
        """Release everything; may be called twice."""
        self._view.close()
        self._film.close()
        if self._env.sim is not None:
            self._env.close()

    @property
    def _model(self) -> Any:  # noqa: ANN401
        return self._env.sim.model._model

    @property
    def _data(self) -> Any:  # noqa: ANN401
        return self._env.sim.data._data

    def _vectors(self) -> Obs:
        senses = {key: _converted(name, self._seen[name]) for key, name in self._senses.items()}
        objects = {STATE + name: _converted(name, self._seen[name]) for name in self._objects}
        return {**senses, **objects}


def import_robosuite() -> ModuleType:
    """Import robosuite, without the compiler that it uses.

    Numba's compiler and Mesa's software renderer disturb each other: frames come out empty in the process that compiles.

    Raises:
        ConfigError: If it is missing or has another version than `VERSION`.
    """
    if "numba" not in sys.modules:  # whoever has loaded it compiles already
        os.environ.setdefault("NUMBA_DISABLE_JIT", "1")
    try:
        version = importlib.metadata.version("robosuite")
    except importlib.metadata.PackageNotFoundError as error:
        raise ConfigError("env", expected=f"robosuite {VERSION}", got="not installed", fix=EXTRA) from error
    if version != VERSION:
        raise ConfigError("env", expected=f"robosuite {VERSION}", got=version, fix=EXTRA)
    logging.getLogger("robosuite_logs").disabled = True  # it greets with hints about packages that nobody asked for
    suite = importlib.import_module("robosuite")
    if os.environ.get("NUMBA_DISABLE_JIT") == "1":
        controller: Any = importlib.import_module("robosuite.controllers.parts.arm.osc")
        controller.orientation_error = orientation_error
    return suite


def orientation_error(desired: NDArray[np.float64], current: NDArray[np.float64]) -> Vector:
    """Return robosuite's orientation error (3,) of rotations (3, 3), equal to the bit: half the sum of the cross products of their axes.

    Uncompiled, `numpy.cross` makes it the largest part of a control step, of which an env step has 25.
    """
    x = y = z = 0.0
    for (a, b, c), (d, e, f) in zip(current.T.tolist(), desired.T.tolist(), strict=True):
        x, y, z = x + (b * f - c * e), y + (c * d - a * f), z + (a * e - b * d)
    return np.array([0.5 * x, 0.5 * y, 0.5 * z])


def _make(suite: ModuleType, cfg: RobosuiteConfig) -> Any:  # noqa: ANN401
    if cfg.task not in suite.ALL_ENVIRONMENTS:
        fix = nearest(cfg.task, suite.ALL_ENVIRONMENTS)
        raise ConfigError("env.task", expected="a task of robosuite", got=f"'{cfg.task}'", fix=fix)
    robots = cfg.robots or ["Panda"] * (2 if cfg.task.startswith("TwoArm") else 1)
    for robot in robots:
        if robot not in suite.ALL_ROBOTS:
            fix = nearest(robot, suite.ALL_ROBOTS)
            raise ConfigError("env.robots", expected="robots of robosuite", got=f"'{robot}'", fix=fix)
    two = {"env_configuration": cfg.arrangement} if cfg.task.startswith("TwoArm") else {}
    return suite.make(
        cfg.task,
        robots=robots,
        controller_configs=[_controller(suite, robot, cfg.controller) for robot in robots],
        has_renderer=False,
        has_offscreen_renderer=False,
        use_camera_obs=False,
        reward_shaping=cfg.reward == "dense",
        control_freq=cfg.rate_hz,
        horizon=_HORIZON,
        hard_reset=cfg.recompile,
        renderer="mujoco",
        **two,
    )


def _controller(suite: ModuleType, robot: str, name: str) -> dict[str, Any]:
    """Return robosuite's own controllers of a robot, with those of its arms replaced."""
    whole = suite.load_composite_controller_config(robot=robot)
    for part, controller in whole["body_parts"].items():
        if part in ("right", "left"):
            gripper = controller.get("gripper")
            chosen = suite.load_part_controller_config(default_controller=name.upper())
            whole["body_parts"][part] = chosen if gripper is None else {**chosen, "gripper": gripper}
    return whole


def _action_parts(env: Any) -> tuple[list[ActionPart], list[NDArray[np.float32]]]:  # noqa: ANN401
    """Return what the entries of robosuite's action mean, and the signs that turn ours into theirs."""
    parts: list[ActionPart] = []
    signs: list[NDArray[np.float32]] = []
    for index, robot in enumerate(env.robots):
        several = len(robot.arms) > 1
        for part, (start, end) in robot._action_split_indexes.items():
            size, arm = end - start, part.removesuffix("_gripper")
            owner = f"robot{index}_{arm}" if several or arm not in robot.arms else f"robot{index}"
            controller = robot.part_controllers[part]
            if part.endswith("_gripper"):
                opens = size == 1
                kind = ActionKind.GRIPPER if opens else ActionKind.NATIVE
                parts.append(ActionPart(arm=owner, kind=kind, size=size))
                signs.append(np.full(size, -1.0 if opens else 1.0, np.float32))
                continue
            at = 0
            for kind, length in _PARTS.get(controller.name, ((ActionKind.NATIVE, size),)):
                scale = 1.0 if kind is ActionKind.NATIVE else float(np.asarray(controller.output_max)[at])
                parts.append(ActionPart(arm=owner, kind=kind, size=length or size, scale=scale))
                at += length
            signs.append(np.ones(size, np.float32))
    return parts, signs


def _senses(env: Any, wanted: list[str], seen: Mapping[str, Any]) -> dict[str, str]:  # noqa: ANN401
    """Return our key -> robosuite's, of what the robots sense; what a robot lacks, such as a gripper, is left out."""
    for name in wanted:
        if name not in FEATURES:
            raise ConfigError("env.proprio", expected="a feature", got=f"'{name}'", fix=nearest(name, FEATURES))
    found: dict[str, str] = {}
    for index, robot in enumerate(env.robots):
        owners = [f"robot{index}", *(f"robot{index}_{arm}" for arm in robot.arms)]
        keys = {f"{PROPRIO}{owner}.{name}": f"{owner}_{FEATURES[name]}" for owner in owners for name in wanted}
        found |= {key: name for key, name in keys.items() if name in seen}
    return found


def _privileged(env: Any, seen: Mapping[str, Any]) -> tuple[str, ...]:  # noqa: ANN401
    """Return the names of all that is observed of objects, one by one."""
    observables = env._observables.items()
    return tuple(name for name, observable in observables if observable.modality == "object" and name in seen)


def _converted(name: str, value: Any) -> Array:  # noqa: ANN401
    quat = name.endswith("_quat")
    return _float32(np.roll(value, 1) if quat else value)


def _float32(value: Any) -> Array:  # noqa: ANN401
    return np.atleast_1d(np.asarray(value, np.float32)).copy()
