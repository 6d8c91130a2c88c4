import math
import time
import warnings

import gymnasium as gym
import numpy as np
import pytest
from fakes import DOWN, FakeArm, FakeTask, ManualClock
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st
from rig_env import ACTION, WIDE, Bench, act

from robolearn.core.clock import WallClock
from robolearn.core.errors import ConfigError, SpecError, StaleFrameError
from robolearn.core.geometry import quat_from_rotvec, quat_multiply
from robolearn.core.protocols import Event
from robolearn.core.robot import CommandMode
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, Frame
from robolearn.envs.proprio import FEATURES
from robolearn.envs.robot_env import RobotEnv
from robolearn.safety import SafetyLimits, SupervisedRobot


def test_gymnasium_accepts_it():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_env(Bench().env)


def test_a_step_by_hand():
    bench = Bench()
    obs, info = bench.env.reset(seed=0)
    assert info["success"] is False
    assert set(obs) == {
        "pixels/front",
        "proprio/arm.position",
        "proprio/arm.yaw",
        "proprio/arm.gripper",
        "state/goal",
    }
    obs, reward, terminated, truncated, info = bench.env.step(act(x=1.0, z=-0.5, yaw=0.5, gripper=-1.0))
    assert obs["proprio/arm.position"] == pytest.approx([0.55, 0.0, 0.375])
    assert obs["proprio/arm.yaw"] == pytest.approx([math.sin(0.1), math.cos(0.1)])
    assert obs["proprio/arm.gripper"] == pytest.approx([0.0])
    assert obs["pixels/front"][0, 0].tolist() == [155, 100, 137]
    assert np.array_equal(info["executed_action"], act(x=1.0, z=-0.5, yaw=0.5, gripper=-1.0))
    assert info["executed_action"].dtype == np.float32
    assert (info["executed_clipped"], info["intervened"], info["limits"], info["faults"]) == (False, False, (), ())
    assert info["reward_terms"] == {"distance": pytest.approx(-np.linalg.norm(bench.arm.q - bench.task.goal))}
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert info["late_s"] == 0.0
    context = bench.task.contexts[-1]
    assert context.step == 1
    assert np.array_equal(context.executed, info["executed_action"])


def test_spaces_hold_what_is_observed():
    sizes = {
        "q": (3,),
        "dq": (3,),
        "position": (3,),
        "quat_wxyz": (4,),
        "rotation_6d": (6,),
        "yaw": (2,),
        "twist": (6,),
        "wrench": (6,),
        "gripper": (1,),
        "gripper_speed": (1,),
        "setpoint_error": (3,),
    }
    assert set(sizes) == set(FEATURES)
    bench = Bench(proprio=tuple(sizes))
    obs, _ = bench.env.reset(seed=0)
    assert {name: obs[f"proprio/arm.{name}"].shape for name in sizes} == sizes
    for _ in range(10):
        obs, *_ = bench.env.step(bench.env.action_space.sample())
        assert bench.env.observation_space.contains(obs)
        bench.env.env_spec.validate_obs(obs)
    assert bench.env.env_spec.rate_hz == 10.0
    assert bench.env.env_spec.max_steps == 20


def test_orientation_features_by_hand():
    bench = Bench(proprio=("rotation_6d", "yaw", "quat_wxyz"))
    bench.env.reset(seed=0)
    # the tool points down and has turned by 90 degrees about the base's z: x axis to +y, y axis to +x
    bench.arm.quat_wxyz = quat_multiply(quat_from_rotvec(np.array([0.0, 0.0, math.pi / 2])), DOWN)
    obs = bench.env.observe()
    assert obs["proprio/arm.rotation_6d"] == pytest.approx([0, 1, 0, 1, 0, 0], abs=1e-6)
    assert obs["proprio/arm.yaw"] == pytest.approx([1, 0], abs=1e-6)


def test_setpoint_error_is_setpoint_minus_measured():
    bench = Bench(proprio=("setpoint_error",), gain=0.6)
    bench.env.reset(seed=0)
    obs, *_ = bench.env.step(act(x=1.0))
    assert obs["proprio/arm.setpoint_error"] == pytest.approx([0.02, 0.0, 0.0])


def test_deltas_are_relative_to_the_setpoint_so_zero_holds():
    bench = Bench(gain=0.5)
    bench.env.reset(seed=0)
    bench.env.step(act(x=1.0))
    for _ in range(12):
        bench.env.step(act())
    assert bench.arm.q[0] == pytest.approx(0.55, abs=1e-4)  # the lag is made up for, nothing sags


def test_what_the_supervisor_changes_is_what_was_executed():
    bench = Bench(SafetyLimits(**WIDE, speed=0.25))
    bench.env.reset(seed=0)
    *_, info = bench.env.step(act(x=1.0))
    # 0.5 m/s asked for, 0.25 accepted: half of the action was executed
    assert info["executed_action"] == pytest.approx(act(x=0.5))
    assert info["limits"] == ("arm.speed",)
    assert info["executed_clipped"] is False


def test_an_executed_action_beyond_the_range_is_clipped_and_said_to_be():
    bench = Bench(SafetyLimits(**WIDE, acceleration=2.0, speed=1.0))
    bench.env.reset(seed=0)
    for _ in range(3):
        bench.env.step(act(x=1.0))
    *_, info = bench.env.step(act(x=-1.0))
    # 0.5 m/s cannot be turned around at once: the set-point goes on, by 0.03 m = 0.6
    assert info["executed_action"][0] == pytest.approx(0.6, abs=1e-5)
    assert info["executed_clipped"] is False
    bench = Bench(SafetyLimits(**WIDE, position_error=0.02))
    bench.env.reset(seed=0)
    bench.arm.q = bench.arm.q - np.array([0.2, 0.0, 0.0])
    bench.clock.advance(0.001)
    *_, info = bench.env.step(act())
    # pushed back by 0.2 m, the set-point follows to 0.02 m: -0.18 m = -3.6
    assert info["executed_action"][0] == -1.0
    assert info["executed_clipped"] is True


def test_actions_beyond_the_range_are_clipped():
    bench = Bench()
    bench.env.reset(seed=0)
    *_, info = bench.env.step(np.array([5.0, 0.0, -7.0, 0.0, 2.0]))
    assert np.array_equal(info["executed_action"], act(x=1.0, z=-1.0))


@pytest.mark.parametrize("action", [np.zeros(4), np.zeros((1, 5)), [math.nan, 0, 0, 0, 0], [0, 0, math.inf, 0, 0]])
def test_an_unusable_action_moves_nothing(action):
    bench = Bench()
    bench.env.reset(seed=0)
    with pytest.raises(SpecError, match="action"):
        bench.env.step(np.array(action, np.float32))
    assert bench.arm.commands == []


def test_a_step_before_a_reset_is_refused():
    with pytest.raises(SpecError, match="reset"):
        Bench().env.step(act())


def test_only_true_terminals_terminate_and_time_truncates():
    bench = Bench(max_steps=3)
    bench.env.reset(seed=0)
    flags = [bench.env.step(act())[2:4] for _ in range(3)]
    assert flags == [(False, False), (False, False), (False, True)]
    bench.env.reset(seed=0)
    bench.env.step(act())
    bench.env.step(act())
    bench.env.post_events([Event(name="success", stamp_ns=0, device="test")])
    _, reward, terminated, truncated, info = bench.env.step(act())
    assert (reward, terminated, truncated, info["success"]) == (1.0, True, False, True)


def test_events_reach_the_task_once_and_not_the_next_episode():
    bench = Bench()
    bench.env.reset(seed=0)
    bench.env.post_events([Event(name="note", stamp_ns=1, device="test")])
    bench.env.step(act())
    bench.env.step(act())
    assert [event.name for event in bench.task.events] == ["note"]
    bench.env.post_events([Event(name="failure", stamp_ns=1, device="test")])
    bench.env.reset(seed=0)
    assert bench.env.step(act())[2] is False


def test_options_reach_the_task():
    bench = Bench()
    bench.env.reset(seed=0, options={"easy": True})
    assert bench.task.options == {"easy": True}


def test_equal_seeds_give_equal_episodes():
    def episode(seed: int | None) -> list[np.ndarray]:
        obs, _ = bench.env.reset(seed=seed)
        actions = np.random.default_rng(0).uniform(-1, 1, (8, 5)).astype(np.float32)
        return [obs["state/goal"], *(bench.env.step(action)[0]["proprio/arm.position"] for action in actions)]

    bench = Bench(gain=0.5)
    first, second, third = episode(3), episode(3), episode(None)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], third[0])


@given(st.integers(0, 1000), st.integers(0, 10))
@settings(max_examples=10)
def test_a_restored_env_continues_bit_for_bit(seed, when):
    rng = np.random.default_rng(seed)
    bench, other = Bench(gain=0.6), Bench(gain=0.6)
    bench.env.reset(seed=seed)
    for _ in range(when):
        bench.env.step(rng.uniform(-1, 1, 5).astype(np.float32))
    saved = bench.env.save()
    assert all(isinstance(array, np.ndarray) for part in saved.values() for array in part.values())
    other.env.reset(seed=99)
    other.env.snapshot = saved
    assert_equal(bench.env.observe(), other.env.observe())
    for _ in range(8):
        action = rng.uniform(-1, 1, 5).astype(np.float32)
        (obs, *outcome, info), (other_obs, *other_outcome, other_info) = bench.env.step(action), other.env.step(action)
        assert_equal(obs, other_obs)
        assert outcome == other_outcome
        assert np.array_equal(info["executed_action"], other_info["executed_action"])
    assert_equal(bench.env.reset()[0], other.env.reset()[0])  # the same randomness goes on


def assert_equal(left: dict, right: dict) -> None:
    assert left.keys() == right.keys()
    assert all(np.array_equal(left[key], right[key]) for key in left)


def test_a_snapshot_that_lacks_a_part_is_named():
    bench = Bench()
    bench.env.reset(seed=0)
    saved = bench.env.save()
    del saved["arm/arm"]
    with pytest.raises(SpecError, match="arm/arm"):
        bench.env.restore(saved)


def test_a_stale_frame_is_not_hidden():
    bench = Bench(max_frame_age_s=0.25)
    bench.env.reset(seed=0)
    bench.camera.freeze()
    *_, info = bench.env.step(act())
    assert info["age/front_s"] == pytest.approx(0.1)
    bench.env.step(act())
    with pytest.raises(StaleFrameError, match="front"):
        bench.env.step(act())


def test_ages_are_those_of_the_sources():
    bench = Bench()
    bench.env.reset(seed=0)
    bench.arm.delay_s = 0.03
    *_, info = bench.env.step(act())
    assert info["age/arm_s"] == pytest.approx(0.03)
    assert info["age/front_s"] == 0.0


def test_two_arms_are_the_same_code():
    two = ActionSpec(
        parts=(
            ActionPart(arm="left", kind=ActionKind.TRANSLATION_DELTA, size=3, scale=0.05, frame=Frame.TOOL),
            ActionPart(arm="right", kind=ActionKind.JOINT_DELTA, size=3, scale=0.1),
            ActionPart(arm="right", kind=ActionKind.GRIPPER, size=1),
        )
    )
    bench = Bench(arms=("left", "right"), action=two, proprio=("position",))
    bench.env.reset(seed=0)
    action = np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.5, 0.0], np.float32)
    obs, *_, info = bench.env.step(action)
    assert obs["proprio/left.position"] == pytest.approx([0.55, -0.05, 0.4])
    assert obs["proprio/right.position"] == pytest.approx([0.5, 0.0, 0.45])
    assert np.array_equal(info["executed_action"], action)
    assert bench.fakes["right"].commands[-1].mode is CommandMode.JOINT_POSITION


def test_validity_goes_to_the_arm():
    bench = Bench()
    bench.env.reset(seed=0)
    bench.env.step(act())
    assert bench.arm.commands[-1].valid_for_s == pytest.approx(0.5)
    bench = Bench(command_valid_s=0.25)
    bench.env.reset(seed=0)
    bench.env.step(act(x=1.0))
    assert bench.arm.commands[-1].valid_for_s == 0.25


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"proprio": ("positon",)}, "did you mean position"),
        ({"max_steps": 0}, "max_steps"),
        ({"arms": ("front",)}, "different names"),
    ],
)
def test_a_wrong_construction_is_named(more, message):
    if "arms" in more:
        parts = (ActionPart(arm="front", kind=ActionKind.GRIPPER, size=1),)
        more = {**more, "action": ActionSpec(parts=parts)}
    with pytest.raises(ConfigError, match=message):
        Bench(**more)


def test_a_feature_that_is_not_sensed_is_refused():
    clock = ManualClock()
    arm = SupervisedRobot(FakeArm(clock, senses=("pose_tool_in_base",)), SafetyLimits(), clock)
    action = ActionSpec(parts=ACTION.parts[:1])
    with pytest.raises(ConfigError, match="senses wrench"):
        RobotEnv(
            arms={"arm": arm},
            cameras={},
            task=FakeTask(),
            action=action,
            clock=clock,
            max_steps=5,
            proprio=("wrench",),
        )


def test_close_releases_every_device_and_may_be_repeated():
    bench = Bench()
    assert (bench.arm.entered, bench.camera.entered) == (1, 1)
    bench.env.close()
    bench.env.close()
    assert (bench.arm.entered, bench.camera.entered) == (0, 0)


def test_render_shows_a_camera_or_what_the_renderer_draws():
    assert Bench().env.render().shape == (8, 8, 3)
    picture = np.zeros((4, 4, 3), np.uint8)
    assert Bench(renderer=lambda: picture).env.render() is picture


def test_vector_envs_take_it_and_set_snapshots():
    envs = SyncVectorEnv([lambda: Bench().env] * 2, autoreset_mode=AutoresetMode.DISABLED)
    envs.reset(seed=[1, 2])
    obs, _, _, _, info = envs.step(np.zeros((2, 5), np.float32))
    assert obs["pixels/front"].shape == (2, 8, 8, 3)
    assert np.asarray(info["executed_action"]).shape == (2, 5)
    saved = envs.call("save")
    after = envs.step(np.full((2, 5), 0.3, np.float32))[0]
    envs.set_attr("snapshot", list(saved))
    again = envs.step(np.full((2, 5), 0.3, np.float32))[0]
    assert_equal(after, again)
    envs.reset(seed=[5, None], options={"reset_mask": np.array([True, False])})


def test_the_same_env_runs_on_wall_time():
    clock = WallClock(0.01)
    fake = FakeArm(clock)
    arm = SupervisedRobot(fake, SafetyLimits(**WIDE), clock)
    env = RobotEnv(arms={"arm": arm}, cameras={}, task=FakeTask(), action=ACTION, clock=clock, max_steps=50)
    env.reset(seed=0)
    start = time.monotonic()
    for _ in range(10):
        *_, info = env.step(act(x=0.1))
    assert 0.08 < time.monotonic() - start < 1.0
    assert info["late_s"] >= 0.0
    assert isinstance(env, gym.Env)


def test_the_env_adds_little_to_a_step():
    bench = Bench(max_steps=10**6)
    bench.env.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-1, 1, (300, 5)).astype(np.float32)
    times = []
    for action in actions:
        start = time.perf_counter()
        bench.env.step(action)
        times.append(time.perf_counter() - start)
    assert float(np.median(times)) < 1e-3  # 0.12 ms when the machine is idle
