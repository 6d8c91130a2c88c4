"""What every simulated task must do: an expert that solves it gently, honest success, and dense terms that lead there."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import mujoco
import numpy as np
import pytest

from robolearn.core.errors import ConfigError
from robolearn.core.rng import spawn
from robolearn.core.types import REWARD_TERMS, STATE, SUCCESS
from robolearn.envs.build import TASKS, build_env, make_expert
from robolearn.envs.config import TaskConfig
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.tasks.base import SimTask
from robolearn.envs.tasks.drawer import DrawerConfig
from robolearn.envs.tasks.handover import HandoverConfig
from robolearn.envs.tasks.lever import LeverConfig
from robolearn.envs.tasks.lift import LiftConfig
from robolearn.envs.tasks.peg import PegConfig
from robolearn.envs.tasks.pick_cube import PickCubeConfig
from robolearn.envs.tasks.place import PlaceConfig
from robolearn.envs.tasks.push import PushConfig
from robolearn.envs.tasks.reach import ReachConfig
from robolearn.envs.tasks.slide import SlideConfig
from robolearn.envs.tasks.stack import StackConfig
from robolearn.envs.tasks.stow import StowConfig

TOOL = {"action": "xyz_rotation", "frame": "tool"}
TOOL_GRIPPER = {"action": "xyz_rotation_gripper", "frame": "tool"}
NO_TURNING = {"action": "xyz_gripper", "yaw": 0.3}
FAST = {"rate_hz": 20, "max_steps": 100, "translation_scale": 0.02, "rotation_scale": 0.1}
SETTINGS: dict[str, Callable[[], TaskConfig]] = {
    "reach": ReachConfig,
    "reach-tool": lambda: ReachConfig(**TOOL),
    "reach-gripper": lambda: ReachConfig(action="xyz_yaw_gripper"),
    "pick_cube": PickCubeConfig,
    "pick_cube-easy": lambda: PickCubeConfig(yaw=0.4, action="xyz_gripper"),
    "pick_cube-seven": lambda: PickCubeConfig(action="xyz_rotation_gripper"),
    "pick_cube-tool": lambda: PickCubeConfig(**TOOL_GRIPPER),
    "pick_cube-20Hz": lambda: PickCubeConfig(**FAST),
    "push": PushConfig,
    "push-gripper": lambda: PushConfig(action="xyz_yaw_gripper"),
    "push-tool": lambda: PushConfig(**TOOL),
    "push-narrow": lambda: PushConfig(table_range=0.1, tolerance=0.015),
    "slide": SlideConfig,
    "slide-gripper": lambda: SlideConfig(action="xyz_yaw_gripper"),
    "slide-tool": lambda: SlideConfig(**TOOL),
    "place": PlaceConfig,
    "place-no-turning": lambda: PlaceConfig(**NO_TURNING),
    "place-tool": lambda: PlaceConfig(**TOOL_GRIPPER),
    "stack": StackConfig,
    "stack-narrow": lambda: StackConfig(tolerance=0.012),
    "stack-no-turning": lambda: StackConfig(**NO_TURNING),
    "stack-tool": lambda: StackConfig(**TOOL_GRIPPER),
    "drawer": DrawerConfig,
    "drawer-gripper": lambda: DrawerConfig(action="xyz_yaw_gripper"),
    "drawer-tool": lambda: DrawerConfig(**TOOL),
    "drawer-wide": lambda: DrawerConfig(chest_range=0.12, yaw=0.6, opening=0.11),
    "lever": LeverConfig,
    "lever-gripper": lambda: LeverConfig(action="xyz_yaw_gripper"),
    "lever-tool": lambda: LeverConfig(**TOOL),
    "lever-any-heading": lambda: LeverConfig(yaw=math.pi, angle=1.2),
    "peg-5mm": lambda: PegConfig(clearance=0.005),
    "peg": PegConfig,
    "peg-1mm": lambda: PegConfig(clearance=0.001),
    "peg-0.5mm": lambda: PegConfig(clearance=0.0005),
    "peg-tool": lambda: PegConfig(**TOOL),
    "lift": LiftConfig,
    "handover": HandoverConfig,
    "stow": StowConfig,
    "stow-tool": lambda: StowConfig(**TOOL_GRIPPER),
}
"""Tasks and variants; every name up to the first dash is a task, with its default config under it."""
DEFAULTS = {name: make for name, make in SETTINGS.items() if "-" not in name}
PEGS = [name for name in SETTINGS if name.startswith("peg") and name != "peg-tool"]


@dataclass(frozen=True)
class Bounds:
    """What an expert has to keep to; one episode may fail."""

    steps: tuple[int, int]
    """Least and largest median length of an episode at 10 Hz."""
    episodes: int = 30
    of_variants: int = 12
    """Episodes where the config is not the default."""
    penetration_m: float = 0.0015


BOUNDS = {
    "reach": Bounds((3, 15), episodes=40),
    "pick_cube": Bounds((10, 30)),
    "push": Bounds((10, 35)),
    "slide": Bounds((10, 30)),
    "place": Bounds((10, 40), of_variants=10),
    "stack": Bounds((10, 45), of_variants=10),
    "drawer": Bounds((10, 25)),
    "lever": Bounds((10, 30)),
    "peg": Bounds((10, 40), episodes=12, penetration_m=0.0006),
    "lift": Bounds((10, 40), episodes=20, penetration_m=0.0025),
    "handover": Bounds((10, 60), episodes=20, penetration_m=0.0025),
    "stow": Bounds((40, 90), episodes=12, of_variants=6),
}
DENSE_SEED = {"drawer": 3, "lever": 3, "push": 3}
"""Whose episode is looked at for the dense reward; 4 for the others."""


@dataclass
class Episode:
    """What an expert did."""

    infos: list[dict] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    penetration_m: float = 0.0
    speed: float = 0.0
    """Greatest of any loose body, m/s."""

    @property
    def success(self) -> bool:
        return bool(self.infos[-1][SUCCESS])


def make_task_env(name: str, **fields: object) -> tuple[RobotEnv, SimTask]:
    cfg = SETTINGS[name]()
    for key, value in {"observation": "state", **fields}.items():
        setattr(cfg, key, value)
    env = build_env(cfg)
    assert isinstance(env.task, SimTask)
    return env, env.task


def play(env: RobotEnv, task: SimTask, seed: int) -> Episode:
    world, model = task.world, task.world.model
    loose = [model.body(joint).name for joint in model.jnt_bodyid[model.jnt_type == mujoco.mjtJoint.mjJNT_FREE]]
    env.reset(seed=seed)
    expert, episode, done = make_expert(env, spawn(seed, 7)), Episode(), False
    while not done:
        action = expert.act()
        assert env.action_space.contains(action)
        _, reward, terminated, truncated, info = env.step(action)
        episode.infos.append(info)
        episode.rewards.append(float(reward))
        episode.penetration_m = max(episode.penetration_m, *(-world.data.contact.dist).tolist(), 0.0)
        episode.speed = max([episode.speed, *(world.speed(body) for body in loose)])
        done = terminated or truncated
    return episode


def test_every_task_is_here():
    assert {type(make()) for make in DEFAULTS.values()} == set(TASKS)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_expert_succeeds_gently(name):
    env, task = make_task_env(name)
    bounds = BOUNDS[name.partition("-")[0]]
    episodes = [play(env, task, seed) for seed in range(bounds.episodes if name in DEFAULTS else bounds.of_variants)]
    assert sum(not episode.success for episode in episodes) <= 1
    median = np.median([len(episode.infos) for episode in episodes])
    assert bounds.steps[0] <= median <= bounds.steps[1] * task.cfg.rate_hz / 10
    assert not any(info["faults"] for episode in episodes for info in episode.infos)
    assert max(episode.penetration_m for episode in episodes) < bounds.penetration_m
    assert max(episode.speed for episode in episodes) < 1.0


@pytest.mark.slow
@pytest.mark.parametrize("name", [*DEFAULTS, *(name for name in PEGS if name not in DEFAULTS)])
def test_the_expert_succeeds_on_60_more_seeds(name):
    """`robolearn bench tasks` plays 1,000."""
    env, task = make_task_env(name)
    assert sum(play(env, task, 1000 + seed).success for seed in range(60)) >= 57


@pytest.mark.parametrize("name", DEFAULTS)
def test_no_episode_starts_solved_and_all_start_differently(name):
    env, task = make_task_env(name)
    starts = []
    for seed in range(50):
        obs, _ = env.reset(seed=seed)
        assert not task.judge()[0]
        starts.append(np.concatenate([np.asarray(obs[key]).ravel() for key in sorted(obs) if key.startswith(STATE)]))
    assert len(np.unique(np.round(starts, 6), axis=0)) == len(starts)
    assert np.isfinite(starts).all()


@pytest.mark.parametrize("name", DEFAULTS)
def test_sparse_reward_comes_once_at_the_end_which_is_terminal(name):
    env, task = make_task_env(name)
    episode = play(env, task, 3)
    assert episode.rewards[-1] == 1.0
    assert not any(episode.rewards[:-1])
    assert not any(info[SUCCESS] for info in episode.infos[:-1])


@pytest.mark.parametrize("name", DEFAULTS)
def test_dense_reward_is_the_weighted_terms_and_grows_towards_success(name):
    env, task = make_task_env(name, reward="dense")
    episode = play(env, task, DENSE_SEED.get(name, 4))
    for info, reward in zip(episode.infos, episode.rewards, strict=True):
        terms = info[REWARD_TERMS]
        assert terms.keys() == task.weights.keys()
        assert all(0.0 <= term <= 1.0 for term in terms.values())
        weighted = sum(task.weights[term] * value for term, value in terms.items())
        assert reward == pytest.approx(weighted + float(info[SUCCESS]))
    rewards = episode.rewards
    assert rewards[0] < rewards[len(rewards) // 2] < rewards[-1]
    assert rewards[-2] > rewards[0] + 0.05


@pytest.mark.parametrize("name", DEFAULTS)
def test_images_tell_nothing_privileged(name):
    env, _ = make_task_env(name, observation="images")
    assert not any(key.startswith(STATE) for key in env.env_spec.obs)
    env.close()


@pytest.mark.parametrize("name", DEFAULTS)
def test_unknown_reset_options_are_refused(name):
    env, _ = make_task_env(name)
    with pytest.raises(ConfigError, match="reset options"):
        env.reset(seed=0, options={"cube": 1})
