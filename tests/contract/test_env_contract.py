"""What every simulated env must do, whatever the task: Gymnasium's rules, and ours."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from robolearn.core.errors import ConfigError
from robolearn.core.rng import spawn
from robolearn.core.types import CLIPPED, EXECUTED, INTERVENED, REWARD_TERMS, SUCCESS
from robolearn.envs.build import build_env, make_expert
from robolearn.envs.config import TaskConfig
from robolearn.envs.dress import make_vector_env
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

CONFIGS = {
    "pick_cube": lambda: PickCubeConfig(image_size=32, observation="both"),
    "pick_cube-7d-tool": lambda: PickCubeConfig(
        image_size=32,
        action="xyz_rotation_gripper",
        frame="tool",
        reward="dense",
        proprio=["q", "dq", "wrench", "twist"],
    ),
    "place": lambda: PlaceConfig(image_size=32, cameras=["front"], observation="both"),
    "stack": lambda: StackConfig(image_size=32, reward="dense"),
    "peg": lambda: PegConfig(image_size=32, observation="both"),
    "stow": lambda: StowConfig(image_size=32, cameras=["front"], reward="dense"),
    "lift": lambda: LiftConfig(image_size=32, observation="both", rotation_scale=0.1),
    "handover": lambda: HandoverConfig(image_size=32, cameras=["front"], rotation_scale=0.1),
    "reach": lambda: ReachConfig(image_size=32, cameras=["wrist"]),
    "reach-so101": lambda: ReachConfig(image_size=32, cameras=["wrist"], robot="so101", action="joints"),
    "push": lambda: PushConfig(image_size=32, observation="both"),
    "slide": lambda: SlideConfig(image_size=32, cameras=["front"]),
    "lever": lambda: LeverConfig(image_size=32, cameras=["wrist"]),
    "drawer": lambda: DrawerConfig(image_size=32, cameras=["front"]),
}
IDS = {
    "robolearn/Lift-v0": LiftConfig,
    "robolearn/Handover-v0": HandoverConfig,
    "robolearn/PickCube-v0": PickCubeConfig,
    "robolearn/Peg-v0": PegConfig,
    "robolearn/Place-v0": PlaceConfig,
    "robolearn/Stack-v0": StackConfig,
    "robolearn/Reach-v0": ReachConfig,
    "robolearn/Stow-v0": StowConfig,
    "robolearn/Push-v0": PushConfig,
    "robolearn/Slide-v0": SlideConfig,
    "robolearn/Lever-v0": LeverConfig,
    "robolearn/Drawer-v0": DrawerConfig,
}


@pytest.fixture(params=CONFIGS.values(), ids=CONFIGS)
def cfg(request) -> TaskConfig:
    return request.param()


def actions(env, steps: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.8, 0.8, (steps, *env.action_space.shape)).astype(np.float32)


def same(first, second) -> bool:
    return first.keys() == second.keys() and all(np.array_equal(first[key], second[key]) for key in first)


def test_gymnasiums_checker_passes(cfg):
    env = build_env(cfg, render_mode="rgb_array")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*environment not having a spec.*")
        warnings.filterwarnings("ignore", message=".*Box observation space (minimum|maximum) value is -?infinity.*")
        check_env(env)
    env.close()


def test_observations_fit_space_and_spec(cfg):
    env = build_env(cfg)
    obs, _ = env.reset(seed=0)
    for action in actions(env, 5):
        assert env.observation_space.contains(obs)
        env.env_spec.validate_obs(obs)
        obs, _, _, _, info = env.step(action)
        assert {EXECUTED, CLIPPED, INTERVENED, SUCCESS, REWARD_TERMS} <= info.keys()
    env.close()


def test_a_seed_reproduces_an_episode_bit_for_bit(cfg):
    first, second = build_env(cfg), build_env(cfg)
    second.reset(seed=99)
    second.step(actions(second, 1)[0])
    a, b = first.reset(seed=7)[0], second.reset(seed=7)[0]
    assert same(a, b)
    for action in actions(first, 12):
        one, two = first.step(action), second.step(action)
        assert same(one[0], two[0])
        assert one[1:4] == two[1:4]
        assert np.array_equal(one[4][EXECUTED], two[4][EXECUTED])
    first.close()
    second.close()


def test_other_seeds_give_other_episodes(cfg):
    env = build_env(cfg)
    first = env.reset(seed=1)[0]
    assert not same(first, env.reset(seed=2)[0])
    assert not same(first, env.reset()[0])
    env.close()


def test_a_snapshot_continues_bit_for_bit_in_another_env(cfg):
    env, other = build_env(cfg), build_env(cfg)
    env.reset(seed=3)
    plan = actions(env, 16, seed=5)
    for action in plan[:8]:
        env.step(action)
    saved = env.save()
    expected = [env.step(action) for action in plan[8:]]
    following = env.reset()[0]
    other.reset(seed=11)
    other.restore(saved)
    for action, step in zip(plan[8:], expected, strict=True):
        again = other.step(action)
        assert same(again[0], step[0])
        assert again[1:4] == step[1:4]
    assert same(other.reset()[0], following)
    env.close()
    other.close()


def test_executed_is_the_action_where_no_limit_is_met(cfg):
    env = build_env(cfg)
    env.reset(seed=0)
    for action in 0.3 * actions(env, 6):
        info = env.step(action)[4]
        assert not info["limits"]
        np.testing.assert_allclose(info[EXECUTED], action, atol=1e-6)
        assert not info[CLIPPED]
    env.close()


def test_executed_actions_lead_to_the_same_episode_again(cfg):
    env = build_env(cfg)
    env.reset(seed=4)
    wild = np.clip(2.0 * actions(env, 12, seed=3), -1.0, 1.0)
    executed, q = [], []
    for action in wild:
        info = env.step(action)[4]
        if info[CLIPPED]:  # said to be inexact
            break
        executed.append(info[EXECUTED])
        q.append(np.concatenate([arm.state().q for arm in env.arms.values()]))
    assert len(q) >= 5
    env.reset(seed=4)
    for action in executed:
        env.step(action)
    np.testing.assert_allclose(np.concatenate([arm.state().q for arm in env.arms.values()]), q[-1], atol=1e-4)
    env.close()


def test_a_time_limit_truncates_and_a_success_terminates(cfg):
    enough, cfg.max_steps = max(cfg.max_steps, 60), 3
    env = build_env(cfg)
    env.reset(seed=0)
    still = np.zeros(env.action_space.shape, np.float32)
    assert [env.step(still)[2:4] for _ in range(3)] == [(False, False), (False, False), (False, True)]
    env.close()
    cfg.max_steps = enough
    env = build_env(cfg)
    env.reset(seed=0)
    expert, terminated, truncated, info = make_expert(env, spawn(0)), False, False, {}
    while not (terminated or truncated):
        _, _, terminated, truncated, info = env.step(expert.act())
    assert (terminated, truncated, info[SUCCESS]) == (True, False, True)
    env.close()


def test_rendering_for_people_does_not_change_the_episode(cfg):
    plain, filmed = build_env(cfg), build_env(cfg, render_mode="rgb_array")
    plain.reset(seed=1)
    filmed.reset(seed=1)
    for action in actions(plain, 4):
        picture = filmed.render()
        assert picture.shape == (480, 480, 3)
        assert picture.std() > 10
        assert same(plain.step(action)[0], filmed.step(action)[0])
    plain.close()
    filmed.close()


@pytest.mark.parametrize("processes", [False, True], ids=["one process", "worker processes"])
def test_vector_envs_reset_only_the_masked_rows(processes):
    cfg = PickCubeConfig(image_size=32)
    envs = make_vector_env(cfg, 2, processes=processes)
    single = build_env(cfg)
    assert envs.metadata["autoreset_mode"] is gym.vector.AutoresetMode.DISABLED
    obs, _ = envs.reset(seed=[5, 6])
    assert np.array_equal(obs["pixels/front"][1], single.reset(seed=6)[0]["pixels/front"])
    plan = actions(single, 3)
    for action in plan:
        obs, _, _, _, info = envs.step(np.stack([action, action]))
        mine = single.step(action)[0]
        assert all(np.array_equal(obs[key][1], mine[key]) for key in mine)
        assert info[EXECUTED].shape == (2, 5)
    obs, _ = envs.reset(seed=[8, 0], options={"reset_mask": np.array([True, False])})
    assert np.array_equal(obs["pixels/front"][0], single.reset(seed=8)[0]["pixels/front"])
    assert np.array_equal(obs["pixels/front"][1], mine["pixels/front"])
    saved = envs.call("save")
    first = envs.step(np.stack([plan[0], plan[0]]))[0]
    envs.set_attr("snapshot", list(saved))
    again = envs.step(np.stack([plan[0], plan[0]]))[0]
    assert same(first, again)
    envs.close()
    single.close()


@pytest.mark.parametrize("env_id", IDS)
def test_outsiders_make_it_by_id(env_id):
    env = gym.make(f"robolearn.envs:{env_id}", image_size=32, max_steps=2, render_mode="rgb_array")
    obs, _ = env.reset(seed=0)
    assert {value.shape for key, value in obs.items() if key.startswith("pixels/")} == {(32, 32, 3)}
    env.step(env.action_space.sample())
    assert env.step(env.action_space.sample())[3]
    assert env.render().shape == (480, 480, 3)
    env.close()
    with pytest.raises(ConfigError, match="did you mean image_size"):
        gym.make(f"robolearn.envs:{env_id}", image_sise=32)


def test_a_config_without_a_task_and_an_unknown_render_mode_are_refused():
    with pytest.raises(ConfigError, match="the config of a task"):
        build_env(TaskConfig())
    with pytest.raises(ConfigError, match="did you mean rgb_array"):
        build_env(PickCubeConfig(), render_mode="rgb")
    with pytest.raises(ConfigError, match="an env from build_env"):
        make_expert(gym.make("CartPole-v1"), spawn(0))
