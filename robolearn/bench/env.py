"""What an env step costs: against the bare cost of the same model, against peers, at several sizes, and in parallel."""

import os
import statistics
from collections.abc import Mapping
from functools import partial
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
from numpy.typing import NDArray

from robolearn.bench.adapters import bench_adapters, profile_sheet
from robolearn.bench.peers import run_peer
from robolearn.bench.timing import alternate
from robolearn.core.geometry import Pose, Vector, quat_from_rotvec, quat_multiply
from robolearn.envs.assets.panda import PANDA
from robolearn.envs.build import build_env, make_task, make_world
from robolearn.envs.dress import make_vector_env
from robolearn.envs.sim import gl
from robolearn.envs.sim.kinematics import Kinematics
from robolearn.envs.sim.render import CHEAP, Renderer
from robolearn.envs.sim.world import SUBSTEPS
from robolearn.envs.tasks.base import ARM
from robolearn.envs.tasks.pick_cube import PickCubeConfig

SIZES = (64, 84, 128)
PEER_SIZE = 84
GYM_HIL_SIZE = 128
BLOCK = 50
"""Steps timed at a stretch; one episode."""
SHEETS = {"profiles.png": profile_sheet}


def bench_env(*, seconds: float = 2.0, peers: bool = True, workers: int | None = None) -> dict[str, object]:
    """Measure pick-cube with two cameras and random actions.

    Args:
        seconds: How long each thing is timed.
        peers: Whether to measure robosuite and gym-hil too, where `.venv-peers` has them.
        workers: Most worker processes of a vector env; None for one per core.

    Returns:
        `steps_per_s` at 84 x 84 in one process, episode resets included; `steps_per_s_64`, `steps_per_s_128`.
        `overhead`: the median step over the median bare cost of the same model (physics, inverse kinematics, rendering,
        pixel read), timed in turns; `step_ms`, `raw_ms`. `vs_robosuite` (stock Lift, two 84 x 84 cameras) and
        `vs_gym_hil` (its own two 128 x 128 cameras), None where not installed; `robosuite_steps_per_s`,
        `gym_hil_steps_per_s`. `vector_steps_per_s` by number of worker processes, and `vector_scaling` of the most.
        `gl`: the OpenGL backend. And what `bench_adapters` returns.
    """
    rates = {size: _rate(size, seconds) for size in SIZES}
    step_ms, raw_ms = _against_raw(PEER_SIZE, seconds)
    most = workers or os.cpu_count() or 1
    vector = {n: _vector_rate(n, seconds) for n in sorted({1, most})}
    robosuite = run_peer("robosuite_lift", size=PEER_SIZE) if peers else None
    gym_hil = run_peer("gym_hil_pick") if peers else None
    return {
        "steps_per_s": rates[PEER_SIZE],
        "vs_robosuite": _ratio(rates[PEER_SIZE], robosuite),
        "vs_gym_hil": _ratio(rates[GYM_HIL_SIZE], gym_hil),
        "overhead": step_ms / raw_ms,
        "step_ms": step_ms,
        "raw_ms": raw_ms,
        **{f"steps_per_s_{size}": rate for size, rate in rates.items() if size != PEER_SIZE},
        "robosuite_steps_per_s": None if robosuite is None else robosuite["steps_per_s"],
        "gym_hil_steps_per_s": None if gym_hil is None else gym_hil["steps_per_s"],
        "vector_steps_per_s": {str(n): rate for n, rate in vector.items()},
        "vector_scaling": vector[most] / vector[1],
        "gl": gl.backend(),
        **bench_adapters(seconds, peers),
    }


class RawWorld:
    """The bare work of a step of pick-cube, with nothing around it: what no env of this model can avoid."""

    def __init__(self, cfg: PickCubeConfig) -> None:
        self._cfg = cfg
        self._world = make_world(cfg, make_task(cfg))
        self._kinematics = Kinematics(PANDA)
        self._q = np.array(PANDA.spec.q_home)
        self._target = self._kinematics.pose(self._q)
        self._renderer = Renderer(self._world.stage, CHEAP, cfg.image_size, cfg.image_size)
        self._cameras = [self._world.camera_id(name) for name in cfg.cameras]

    def reset(self, world: Mapping[str, NDArray[np.generic]]) -> None:
        """Start where a world was when it was saved."""
        self._world.restore(world)
        self._q = self.q
        self._target = self._kinematics.pose(self._q)

    @property
    def q(self) -> Vector:
        """Return the measured joint angles (n,) rad."""
        first = int(self._world.model.joint(f"{ARM}/{PANDA.joints[0]}").qposadr[0])
        return self._world.data.qpos[first : first + len(PANDA.joints)].copy()

    def step(self, action: NDArray[np.float32]) -> None:
        """Carry out x, y, z, yaw and gripper: physics, inverse kinematics, both pictures and their pixels."""
        cfg, model, data = self._cfg, self._world.model, self._world.data
        wanted = self._target.position + cfg.translation_scale * action[:3]
        moved = np.clip(wanted, cfg.safety.workspace_low, cfg.safety.workspace_high)
        turn = quat_from_rotvec(np.array([0.0, 0.0, cfg.rotation_scale * float(action[3])]))
        self._target = Pose(moved, quat_multiply(turn, self._target.quat_wxyz))
        data.ctrl[self._q.size] = 0.02 * (1.0 + action[4])
        for _ in range(self._world.ticks):
            self._q = self._kinematics.follow(self._q, self._target, self._world.tick_s)
            data.ctrl[: self._q.size] = self._q
            mujoco.mj_step(model, data, nstep=SUBSTEPS)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_camlight(model, data)
        self._renderer.update(data)
        for camera in self._cameras:
            self._renderer.draw(data, camera, cfg.image_size, cfg.image_size)

    def close(self) -> None:
        """Free the framebuffer."""
        self._renderer.close()


def _config(size: int) -> PickCubeConfig:
    return PickCubeConfig(image_size=size, max_steps=BLOCK)


def _actions(size: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-1.0, 1.0, (BLOCK, size)).astype(np.float32)


def _episode(env: gym.Env[Any, Any], actions: NDArray[np.float32]) -> None:
    env.reset(seed=0)
    for action in actions:
        env.step(action)


def _rate(size: int, seconds: float) -> float:
    env = build_env(_config(size))
    actions = _actions(env.env_spec.action.size)
    times = alternate([partial(_episode, env, actions)], seconds)[0]
    env.close()
    return BLOCK / statistics.median(times)


def _against_raw(size: int, seconds: float) -> tuple[float, float]:
    """Return ms per step of the env and of the bare model, on the same actions, in turns."""
    env, raw = build_env(_config(size)), RawWorld(_config(size))
    actions = _actions(env.env_spec.action.size)

    def env_block() -> None:
        for action in actions[1:]:
            env.step(action)

    def raw_block() -> None:
        for action in actions[1:]:
            raw.step(action)

    def start() -> None:
        env.reset(seed=0)
        raw.reset(env.save()["part/world"])

    env_times, raw_times = alternate([env_block, raw_block], 2.0 * seconds, before=start)
    env.close()
    raw.close()
    per_step = 1e3 / (BLOCK - 1)
    return statistics.median(env_times) * per_step, statistics.median(raw_times) * per_step


def _vector_rate(workers: int, seconds: float) -> float:
    """Return env steps per s of a vector env with one process a worker."""
    envs = make_vector_env(_config(PEER_SIZE), workers, processes=True)
    try:
        actions = _actions(envs.single_action_space.shape[0])  # type: ignore[index]

        def episode() -> None:
            envs.reset(seed=0)
            for action in actions:
                envs.step(np.tile(action, (workers, 1)))

        return workers * BLOCK / statistics.median(alternate([episode], seconds)[0])
    finally:
        envs.close()


def _ratio(rate: float, peer: dict[str, float] | None) -> float | None:
    return None if peer is None else rate / peer["steps_per_s"]
