"""What every task is like: how well its expert does, whether contacts behave, and how fast it steps."""

import statistics
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import mujoco
import numpy as np

from robolearn.bench import read_result, write_result
from robolearn.bench.config import BenchConfig
from robolearn.core.errors import ConfigError, nearest
from robolearn.core.rng import EVAL_SEEDS, spawn
from robolearn.core.types import SUCCESS
from robolearn.envs.build import TASKS, build_env, make_expert
from robolearn.envs.config import TaskConfig
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.sim.world import World
from robolearn.envs.tasks.base import SimTask
from robolearn.log.stats import wilson

CAMERA_SIZE = 84
CAMERAS = 2
EJECTED_SPEED = 2.0
"""m/s beyond which a loose body is taken to be ejected: twice what an arm may move at."""
TABLE = 0.8
"""Half an edge of the table, m; a loose body beyond it has been lost."""


@dataclass(slots=True)
class Contacts:
    """The worst of what was seen of contacts."""

    penetration: float = 0.0
    """Depth, m."""
    ejected: int = 0
    """Episodes in which a loose body flew or left the table."""
    faults: int = 0
    """Episodes that a fault ended."""


def bench_tasks(cfg: BenchConfig, seconds: float = 2.0) -> dict[str, dict[str, float]]:
    """Run the expert of every task, and time the task with cameras; writes one JSON per task; each is timed for `seconds`.

    Returns:
        By task, of all on disk: `expert` (share of successes) with `wilson_low` and `wilson_high`, `episodes`, `steps` (median length),
        `penetration_mm` (deepest at any control step), `ejected` and `faulted` episodes, and `steps_per_s` with two
        84 x 84 cameras in one process, resets included.
    """
    known = {task_name(kind): kind for kind in TASKS}
    root = Path(cfg.out)
    for name in known if cfg.only is None else [cfg.only]:
        if name not in known:
            raise ConfigError("bench tasks", expected="a known task", got=name, fix=nearest(name, known))
        result = {**run_expert(known[name](), cfg.episodes), "steps_per_s": step_rate(known[name](), seconds)}
        write_result(f"tasks/{name}", result, root=root)
    return {path.stem: read_result(path) for path in sorted((root / "tasks").glob("*.json"))}


def task_name(kind: type[TaskConfig]) -> str:
    """Return the name of a task as configurations have it.

    >>> from robolearn.envs.tasks.pick_cube import PickCubeConfig
    >>> task_name(PickCubeConfig)
    'pick_cube'
    """
    words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind.__name__)
    return words.removeprefix("_").removesuffix("_config")


def run_expert(cfg: TaskConfig, episodes: int) -> dict[str, float]:
    """Return how the scripted expert does on held-out seeds, and what contacts did meanwhile."""
    env = build_env(replace(cfg, observation="state"))
    contacts, wins, lengths = Contacts(), 0, list[int]()
    for seed in EVAL_SEEDS[:episodes]:
        success, length = _episode(env, seed, contacts)
        wins += success
        lengths.append(length)
    env.close()
    low, high = wilson(wins, episodes)
    return {
        "expert": wins / episodes,
        "wilson_low": low,
        "wilson_high": high,
        "episodes": episodes,
        "steps": statistics.median(lengths),
        "penetration_mm": 1e3 * contacts.penetration,
        "ejected": contacts.ejected,
        "faulted": contacts.faults,
    }


def step_rate(cfg: TaskConfig, seconds: float) -> float:
    """Return env steps per s with two cameras, random actions, and a reset whenever an episode ends."""
    env = build_env(replace(cfg, image_size=CAMERA_SIZE, cameras=cfg.cameras[:CAMERAS]))
    rng = np.random.default_rng(0)
    env.reset(seed=0)
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        action = rng.uniform(-1.0, 1.0, env.env_spec.action.size).astype(np.float32)
        _, _, terminated, truncated, _ = env.step(action)
        steps += 1
        if terminated or truncated:
            env.reset()
    rate = steps / (time.perf_counter() - start)
    env.close()
    return rate


def reset_ranges(cfg: TaskConfig) -> Mapping[str, object]:
    """Return what a task's own configuration adds to that of every task, by name."""
    shared = {field.name for field in fields(TaskConfig)}
    return {field.name: getattr(cfg, field.name) for field in fields(cfg) if field.name not in shared}


def _episode(env: RobotEnv, seed: int, contacts: Contacts) -> tuple[bool, int]:
    env.reset(seed=seed)
    expert, length, ended, flew = make_expert(env, spawn(seed)), 0, False, False
    assert isinstance(env.task, SimTask)
    world = env.task.world
    loose = _loose_joints(world)
    info: Mapping[str, object] = {}
    while not ended:
        _, _, terminated, truncated, info = env.step(expert.act())
        length, ended = length + 1, terminated or truncated
        if world.data.ncon:
            contacts.penetration = max(contacts.penetration, -float(world.data.contact.dist.min()))
        flew = flew or any(_gone(world, *addresses) for addresses in loose)
    contacts.ejected += flew
    contacts.faults += bool(info["faults"])
    return bool(info[SUCCESS]), length


def _loose_joints(world: World) -> list[tuple[int, int]]:
    """Return where position and speed of every loose body start in `qpos` and `qvel`."""
    model = world.model
    free: Iterable[int] = np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_FREE).tolist()
    return [(int(model.jnt_qposadr[joint]), int(model.jnt_dofadr[joint])) for joint in free]


def _gone(world: World, position: int, speed: int) -> bool:
    x, y, z = world.data.qpos[position : position + 3].tolist()
    fast = float(np.linalg.norm(world.data.qvel[speed : speed + 3])) > EJECTED_SPEED
    return fast or max(abs(x), abs(y)) > TABLE or z < 0.0
