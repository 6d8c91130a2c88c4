"""In simulation, what is done on the left and what is done on the right are each other's mirror images."""

from typing import Any

import numpy as np
import pytest

from robolearn.core.geometry import Pose
from robolearn.core.mirror import Mirror
from robolearn.envs import build
from robolearn.envs.build import build_env
from robolearn.envs.tasks.lift import Lift, LiftConfig
from robolearn.envs.tasks.place import Place, PlaceConfig

FEATURES = ["position", "yaw", "rotation_6d", "twist", "gripper", "setpoint_error"]
ROOM = {"twist": 0.06}
"""How much features may differ, where that is more than 3 mm or 3 mrad: the arm itself is not symmetric."""
SIDES = {"left": "right", "right": "left"}


def reflected(pose: Pose, *, across: bool) -> Pose:
    """Return the mirror image of a pose in the x-z plane, its x axis turned round if `across`, else its y axis."""
    w, x, y, z = pose.quat_wxyz.tolist()
    quat = np.array([z, y, x, w]) if across else np.array([w, -x, y, -z])
    return Pose(pose.position * np.array([1.0, -1.0, 1.0]), quat)


def reflecting(task: type[Any], bodies: tuple[str, ...]) -> type[Any]:
    """Return the task with every start on the other side."""

    class Reflected(task):
        def place(self, rng, options):
            super().place(rng, options)
            self.world.refresh()
            for body in bodies:
                self.world.place(body, reflected(self.world.pose(body), across=False))

        def start_poses(self, rng):
            return {
                SIDES.get(name, name): reflected(pose, across=True) for name, pose in super().start_poses(rng).items()
            }

    return Reflected


CASES = [
    pytest.param(PlaceConfig, Place, ("cube", "bin"), {"frame": "base"}, id="place-base"),
    pytest.param(PlaceConfig, Place, ("cube", "bin"), {"frame": "tool"}, id="place-tool"),
    pytest.param(
        PlaceConfig, Place, ("cube", "bin"), {"action": "xyz_rotation_gripper", "frame": "tool"}, id="place-rotation"
    ),
    pytest.param(LiftConfig, Lift, ("bar",), {}, id="two-arms"),
]


@pytest.mark.parametrize(("config", "task", "bodies", "fields"), CASES)
def test_mirrored_actions_lead_to_mirrored_observations(config, task, bodies, fields, monkeypatch):
    cfg = config(proprio=FEATURES, **fields)
    env = build_env(cfg)
    monkeypatch.setitem(build.TASKS, config, reflecting(task, bodies))
    other = build_env(cfg)
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
