"""In simulation, what is done on the left and what is done on the right are each other's mirror images."""

import numpy as np
import pytest

from robolearn.core.geometry import Pose
from robolearn.core.mirror import Mirror
from robolearn.core.types import EXECUTED, SUCCESS
from robolearn.envs import build
from robolearn.envs.build import TASKS, build_env, make_expert
from robolearn.envs.tasks.lift import LiftConfig
from robolearn.envs.tasks.place import PlaceConfig

FEATURES = ["position", "yaw", "rotation_6d", "twist", "gripper", "gripper_speed", "setpoint_error"]
ROOM = {"twist": 0.06, "gripper_speed": 0.06}
"""How much features may differ, where that is more than 3 mm or 3 mrad: the arm itself is not symmetric."""
SIDES = {"left": "right", "right": "left"}


def reflected(pose: Pose, *, across: bool) -> Pose:
    """Return the mirror image of a pose in the x-z plane, its x axis turned round if `across`, else its y axis."""
    w, x, y, z = pose.quat_wxyz.tolist()
    quat = np.array([z, y, x, w]) if across else np.array([w, -x, y, -z])
    return Pose(pose.position * np.array([1.0, -1.0, 1.0]), quat)


def both_sides(cfg, monkeypatch):
    """Return an env, and one in which every episode starts as the mirror image of that of the first."""

    class Reflected(TASKS[type(cfg)]):
        def place(self, rng, options):
            place = self.world.place
            with monkeypatch.context() as patch:
                patch.setattr(self.world, "place", lambda body, pose: place(body, reflected(pose, across=False)))
                super().place(rng, options)

        def start_poses(self, rng):
            starts = super().start_poses(rng).items()
            return {SIDES.get(name, name): reflected(pose, across=True) for name, pose in starts}

    env = build_env(cfg)
    with monkeypatch.context() as patch:
        patch.setitem(build.TASKS, type(cfg), Reflected)
        return env, build_env(cfg)


CASES = [
    pytest.param(PlaceConfig, {"frame": "base"}, id="place-base"),
    pytest.param(PlaceConfig, {"frame": "tool"}, id="place-tool"),
    pytest.param(PlaceConfig, {"action": "xyz_rotation_gripper", "frame": "tool"}, id="place-rotation"),
    pytest.param(LiftConfig, {}, id="two-arms"),
]


@pytest.mark.parametrize(("config", "fields"), CASES)
def test_mirrored_actions_lead_to_mirrored_observations(config, fields, monkeypatch):
    env, other = both_sides(config(proprio=FEATURES, **fields), monkeypatch)
    mirror, rng = Mirror(env.env_spec), np.random.default_rng(1)
    here, there = env.reset(seed=3)[0], other.reset(seed=3)[0]
    for _ in range(6):
        for key, value in mirror.obs(here).items():
            if key.startswith("pixels/"):
                apart = np.abs(value.astype(int) - there[key]).mean()
                assert apart < 4.0, f"{key}: {apart} of 255"
            else:
                room = ROOM.get(key.split(".")[1], 3e-3)
                np.testing.assert_allclose(value, there[key], atol=room, err_msg=key)
        action = (0.5 * rng.uniform(-1.0, 1.0, env.env_spec.action.size)).astype(np.float32)
        here, there = env.step(action)[0], other.step(mirror.action(action))[0]
    env.close()
    other.close()


@pytest.mark.parametrize(
    "config", [config for config in TASKS if config().symmetric], ids=lambda config: config.__name__
)
def test_what_solves_a_symmetric_task_solves_it_on_the_other_side(config, monkeypatch):
    """And the cameras see the same: of the picture at the start, next to nothing differs."""
    env, other = both_sides(config(image_size=32), monkeypatch)
    mirror, solved = Mirror(env.env_spec), 0
    for seed in range(12):
        here, there = env.reset(seed=seed)[0], other.reset(seed=seed)[0]
        for key, value in mirror.obs(here).items():
            if key.startswith("pixels/"):
                assert np.abs(value.astype(int) - there[key]).mean() < 6.0, key
        expert, done = make_expert(env, np.random.default_rng(seed)), False
        while not done:
            _, _, terminated, truncated, info = env.step(expert.act())
            done = terminated or truncated
            mirrored = other.step(mirror.action(info[EXECUTED]))[-1]
        solved += mirrored[SUCCESS]
    assert solved >= 9
    env.close()
    other.close()
