"""What every env over a simulation that is not ours must do: Gymnasium's rules, and ours."""

import warnings

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from robolearn.core.types import CLIPPED, EXECUTED, INTERVENED, REWARD_TERMS, SUCCESS
from robolearn.envs.adapters.config import AdapterConfig, DmControlConfig, GymnasiumConfig, RobosuiteConfig
from robolearn.envs.build import build_env

SMALL = 32
ROBOSUITE = {
    "Lift": {"reward": "dense"},
    "Stack": {"controller": "osc_position"},
    "NutAssemblySquare": {"cameras": ["robot0_eye_in_hand"]},
    "PickPlaceCan": {"profile": "fastest"},
    "Door": {"controller": "joint_position"},
    "Wipe": {"profile": "fastest"},
    "ToolHang": {},
    "TwoArmLift": {"profile": "fastest"},
    "TwoArmPegInHole": {"cameras": ["agentview"]},
    "TwoArmHandover": {"controller": "joint_velocity", "profile": "fastest"},
}
DM_CONTROL = {
    "walker-walk": {},
    "cartpole-swingup": {"action_repeat": 4},
    "reacher-easy": {"reward": "sparse", "success_reward": 1.0},
    "cheetah-run": {"profile": "fastest"},
    "finger-spin": {},
    "ball_in_cup-catch": {},
    "quadruped-walk": {"cameras": ["2"]},
    "manipulator-bring_ball": {},
    "hopper-hop": {},
    "humanoid-stand": {"observation": "state"},
    "point_mass-easy": {"profile": "stock"},
    "manipulation-reach_site": {},
    "manipulation-stack_2_bricks": {"observation": "state"},
}
GYMNASIUM = {
    "Pendulum-v1": {"observation": "state"},
    "MountainCarContinuous-v0": {"observation": "state"},
    "Reacher-v5": {},
    "gymnasium_robotics:FetchPickAndPlace-v4": {"proprio": ["observation"], "reward": "sparse"},
    "metaworld:Meta-World/MT1": {"kwargs": {"env_name": "reach-v3", "seed": 0}, "observation": "state"},
}
CONFIGS: dict[str, AdapterConfig] = {
    **{
        f"robosuite-{task}": RobosuiteConfig(**{"task": task, "image_size": SMALL, "observation": "both"} | more)
        for task, more in ROBOSUITE.items()
    },
    **{
        f"dm_control-{task}": DmControlConfig(**{"task": task, "image_size": SMALL, "observation": "both"} | more)
        for task, more in DM_CONTROL.items()
    },
    **{
        f"gymnasium-{name}": GymnasiumConfig(**{"id": name, "image_size": SMALL, "observation": "both"} | more)
        for name, more in GYMNASIUM.items()
    },
}


@pytest.fixture(params=CONFIGS.values(), ids=CONFIGS)
def cfg(request) -> AdapterConfig:
    return request.param


def same(first, second) -> bool:
    return first.keys() == second.keys() and all(np.array_equal(first[key], second[key]) for key in first)


def test_the_whole_contract(cfg):
    env, other = build_env(cfg, render_mode="rgb_array"), build_env(cfg)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*environment not having a spec.*")
        warnings.filterwarnings("ignore", message=".*Box observation space (minimum|maximum) value is -?infinity.*")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        check_env(env)
    plan = np.random.default_rng(0).uniform(-1.2, 1.2, (9, env.env_spec.action.size)).astype(np.float32)
    env.step(plan[0])

    first, again = env.reset(seed=7)[0], other.reset(seed=7)[0]
    env.env_spec.validate_obs(first)
    assert env.observation_space.contains(first)
    assert same(first, again)
    for action in plan[:4]:
        one, two = env.step(action), other.step(action)
        assert env.observation_space.contains(one[0])
        assert same(one[0], two[0])
        assert one[1:4] == two[1:4]
        assert {EXECUTED, CLIPPED, INTERVENED, SUCCESS, REWARD_TERMS} <= one[4].keys()
        np.testing.assert_array_equal(one[4][EXECUTED], np.clip(action, -1.0, 1.0))

    picture = env.render()
    assert picture is not None
    assert picture.dtype == np.uint8
    assert picture.std() > 1.0
    saved = env.save()
    expected = [env.step(action) for action in plan[4:]]
    following = env.reset()[0]
    other.reset(seed=11)
    other.restore(saved)
    for action, step in zip(plan[4:], expected, strict=True):
        repeated = other.step(action)
        assert same(repeated[0], step[0])
        assert repeated[1:4] == step[1:4]
    assert same(other.reset()[0], following)
    assert not same(following, first)
    env.close()
    other.close()


@pytest.mark.parametrize("name", [name for name, cfg in CONFIGS.items() if cfg.observation != "state"])
def test_pictures_show_something(name):
    env = build_env(CONFIGS[name])
    obs, _ = env.reset(seed=0)
    for key in env.env_spec.pixel_keys:
        assert obs[key].shape == (SMALL, SMALL, 3)
        assert obs[key].std() > 2.0
    env.close()
