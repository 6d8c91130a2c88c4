"""Adapters beyond the contract: conventions, seeds, pictures, experts, and what they say when something is missing."""

import importlib.metadata
import json
import subprocess
import sys

import numpy as np
import pytest

from robolearn.core.errors import ConfigError, SpecError
from robolearn.core.rng import EVAL_SEEDS, spawn
from robolearn.core.specs import ActionKind
from robolearn.core.types import SUCCESS
from robolearn.envs.adapters.adapted import AdaptedEnv
from robolearn.envs.adapters.bounds import ActionBounds
from robolearn.envs.adapters.config import DmControlConfig, GymnasiumConfig, RobosuiteConfig
from robolearn.envs.adapters.robosuite import orientation_error
from robolearn.envs.adapters.seeding import seeded
from robolearn.envs.build import build_env, make_expert

STOCK = """
import json, sys
import numpy as np
from robolearn.envs.adapters.robosuite import import_robosuite
from robolearn.envs.adapters.seeding import seeded
suite = import_robosuite()
with seeded(0):
    env = suite.make("Lift", robots=["Panda"], has_renderer=False, has_offscreen_renderer=True, use_camera_obs=True,
                     camera_names=["agentview"], camera_heights=48, camera_widths=48, hard_reset=False, renderer="mujoco")
    env.reset()
with seeded(5):
    env.reset()
for action in json.loads(sys.argv[1]):
    obs = env.step(np.array(action))[0]
np.savez(sys.argv[2], image=obs["agentview_image"][::-1], position=obs["robot0_eef_pos"], cube=obs["cube_pos"])
"""
"""What robosuite itself shows after a seed and some actions."""


def test_robosuite_stock_is_what_robosuite_itself_draws_to_the_pixel(tmp_path):
    env = build_env(RobosuiteConfig(profile="stock", cameras=["agentview"], image_size=48, observation="both"))
    plan = np.random.default_rng(0).uniform(-1.0, 1.0, (3, 7))
    obs, _ = env.reset(seed=5)
    for action in plan:
        obs = env.step(action * [1, 1, 1, 1, 1, 1, -1])[0]  # its gripper closes at +1, ours opens
    env.close()
    out = tmp_path / "stock.npz"
    subprocess.run([sys.executable, "-c", STOCK, json.dumps(plan.tolist()), str(out)], check=True, capture_output=True)
    theirs = np.load(out)
    np.testing.assert_array_equal(obs["pixels/agentview"], theirs["image"])
    np.testing.assert_allclose(obs["proprio/robot0.position"], theirs["position"], atol=1e-6)
    np.testing.assert_allclose(obs["state/cube_pos"], theirs["cube"], atol=1e-6)


def test_robosuite_actions_are_described_part_by_part_with_their_scales():
    env = build_env(RobosuiteConfig(task="TwoArmLift", observation="state"))
    parts = [(part.arm, part.kind, part.size, part.scale) for part in env.env_spec.action.parts]
    one = [(ActionKind.TRANSLATION_DELTA, 3, 0.05), (ActionKind.ROTATION_DELTA, 3, 0.5), (ActionKind.GRIPPER, 1, 1.0)]
    assert parts == [(arm, *part) for arm in ("robot0", "robot1") for part in one]
    env.close()


def test_robosuite_grippers_open_at_plus_one():
    env = build_env(RobosuiteConfig(observation="state"))
    widths = {}
    for opening in (1.0, -1.0):
        env.reset(seed=0)
        for _ in range(10):
            obs = env.step(np.array([0, 0, 0, 0, 0, 0, opening], np.float32))[0]
        widths[opening] = float(np.ptp(obs["proprio/robot0.gripper_q"]))
    assert widths[1.0] > 0.07
    assert widths[-1.0] < 0.01
    env.close()


def test_robosuites_quaternions_come_out_with_w_first():
    env = build_env(RobosuiteConfig(observation="both", cameras=["agentview"], image_size=16))
    obs, _ = env.reset(seed=0)
    assert isinstance(env, AdaptedEnv)
    w, x, y, z = obs["state/cube_quat"].tolist()
    assert abs(w) > 0.01
    assert max(abs(x), abs(y)) < 1e-3  # it stands on the table: turned about z only
    assert w**2 + z**2 == pytest.approx(1.0, abs=1e-4)
    env.close()


def test_the_faster_orientation_error_is_robosuites_own_to_the_bit():
    from robosuite.utils.control_utils import orientation_error as theirs

    rng = np.random.default_rng(0)
    for _ in range(200):
        desired, current = (np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in range(2))
        np.testing.assert_array_equal(orientation_error(desired, current), theirs(desired, current))


@pytest.mark.parametrize(("task", "most"), [("Lift", 60), ("PickPlaceCan", 200)])
def test_robosuites_experts_solve_held_out_starts(task, most):
    env = build_env(RobosuiteConfig(task=task, observation="state", max_steps=most))
    for seed in EVAL_SEEDS[:3]:
        env.reset(seed=seed)
        expert, ended, info = make_expert(env, spawn(seed)), False, {}
        while not ended:
            _, reward, terminated, truncated, info = env.step(expert.act())
            ended = terminated or truncated
        assert info[SUCCESS], (task, seed)
        assert (reward, terminated, truncated) == (1.0, True, False)
    env.close()


def test_sizes_of_robosuites_objects_stay_unless_the_model_is_compiled_anew():
    def sizes(recompile: bool) -> set[float]:
        env = build_env(RobosuiteConfig(observation="state", recompile=recompile))
        assert isinstance(env, AdaptedEnv)
        found = set()
        for seed in (1, 2, 1):
            env.reset(seed=seed)
            found.add(float(env.simulation.robosuite.cube.size[0]))  # type: ignore[attr-defined]
        env.close()
        return found

    assert len(sizes(recompile=False)) == 1
    assert len(sizes(recompile=True)) == 2


def test_dm_control_scales_actions_to_the_bounds_of_the_task():
    env = build_env(DmControlConfig(task="manipulation-reach_site", observation="state"))
    assert isinstance(env, AdaptedEnv)
    spec = env.simulation.dm_control.action_spec()  # type: ignore[attr-defined]
    env.reset(seed=0)
    env.step(np.ones(env.env_spec.action.size, np.float32))
    np.testing.assert_allclose(env.simulation.dm_control.physics.control(), spec.maximum)  # type: ignore[attr-defined]


def test_repeated_actions_add_their_rewards_up_and_count_as_one_step():
    once = build_env(DmControlConfig(task="cartpole-balance", observation="state"))
    thrice = build_env(DmControlConfig(task="cartpole-balance", observation="state", action_repeat=3))
    assert thrice.env_spec.rate_hz == pytest.approx(once.env_spec.rate_hz / 3)
    assert (once.env_spec.max_steps, thrice.env_spec.max_steps) == (1000, 334)
    once.reset(seed=3)
    thrice.reset(seed=3)
    action = np.array([0.4], np.float32)
    rewards = [once.step(action)[1] for _ in range(3)]
    assert isinstance(once, AdaptedEnv)
    obs, reward, *_ = thrice.step(action)
    assert reward == pytest.approx(sum(rewards))
    np.testing.assert_array_equal(obs["state/position"], once.observe()["state/position"])


def test_dm_controls_time_limits_truncate_and_its_ends_terminate():
    env = build_env(DmControlConfig(task="cartpole-balance", observation="state", max_steps=4))
    env.reset(seed=0)
    assert [env.step(np.zeros(1, np.float32))[2:4] for _ in range(4)] == [(False, False)] * 3 + [(False, True)]
    swing = build_env(DmControlConfig(task="reacher-easy", observation="state", reward="sparse", success_reward=0.0))
    swing.reset(seed=0)
    assert swing.step(np.zeros(2, np.float32))[1:4] == (1.0, True, False)


def test_gymnasiums_images_and_nested_observations_get_our_names():
    env = build_env(
        GymnasiumConfig(
            id="gymnasium_robotics:FetchReach-v4", image_size=20, proprio=["observation"], observation="both"
        )
    )
    assert set(env.env_spec.obs) == {
        "pixels/render",
        "proprio/body.observation",
        "state/achieved_goal",
        "state/desired_goal",
    }
    assert env.env_spec.max_steps == 50
    env.close()


def test_bounds_map_plus_minus_one_to_the_ends_and_leave_unbounded_entries_alone():
    bounds = ActionBounds([-2.0, 0.0, -np.inf], [2.0, 1.0, np.inf], (3,))
    np.testing.assert_allclose(bounds.native(np.float32([1.0, -1.0, 0.3])), [2.0, 0.0, 0.3], atol=1e-7)
    with pytest.raises(ConfigError, match="both bounds"):
        ActionBounds([-np.inf], [1.0], (1,))


def test_global_generators_are_put_back_after_a_seeded_block():
    np.random.seed(1)  # noqa: NPY002
    expected = np.random.RandomState(1).uniform(size=2)
    first = np.random.uniform()  # noqa: NPY002
    with seeded(5):
        inside = np.random.uniform()  # noqa: NPY002
    with seeded(5):
        assert np.random.uniform() == inside  # noqa: NPY002
    assert [first, np.random.uniform()] == expected.tolist()  # noqa: NPY002


@pytest.mark.parametrize(
    ("cfg", "hint"),
    [
        (lambda: RobosuiteConfig(task="Lifft"), "did you mean Lift"),
        (lambda: RobosuiteConfig(robots=["Pandda"]), "did you mean Panda"),
        (lambda: RobosuiteConfig(cameras=["agentviw"]), "did you mean agentview"),
        (lambda: RobosuiteConfig(profile="fasst"), "did you mean fast"),
        (lambda: RobosuiteConfig(proprio=["positon"]), "did you mean position"),
        (lambda: DmControlConfig(task="walker-wlak"), "did you mean walker-walk"),
        (lambda: DmControlConfig(task="manipulation-reach_sit"), "did you mean manipulation-reach_site"),
        (lambda: GymnasiumConfig(id="CartPole-v1"), "expected a Box"),
        (lambda: GymnasiumConfig(id="Nothing-v0"), "an env that gymnasium.make can make"),
        (lambda: GymnasiumConfig(id="Pendulum-v1", cameras=["rendr"]), "did you mean render"),
        (lambda: GymnasiumConfig(), "the id of a Gymnasium env"),
    ],
)
def test_what_is_unknown_is_named_with_the_nearest_that_is_known(cfg, hint):
    with pytest.raises(ConfigError, match=hint):
        build_env(cfg())


def test_another_version_of_robosuite_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.5.2")
    with pytest.raises(ConfigError, match=r"robosuite 1\.5\.1, got 1\.5\.2; pip install"):
        build_env(RobosuiteConfig())


def test_a_step_before_the_first_reset_and_a_foreign_snapshot_are_refused():
    env = build_env(DmControlConfig(task="cartpole-balance", observation="state"))
    with pytest.raises(SpecError, match="a reset first"):
        env.step(np.zeros(1, np.float32))
    with pytest.raises(SpecError, match="part 'episode'"):
        env.restore({"rng": {}})
    with pytest.raises(ConfigError, match="a task with one"):
        make_expert(env, spawn(0))
