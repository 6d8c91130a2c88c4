"""Forward kinematics against the published ones, inverse kinematics against forward."""

import json
import subprocess
import sys
from pathlib import Path

import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robolearn.core.errors import DriverError
from robolearn.core.geometry import Pose, quat_from_rotvec, rotation_error
from robolearn.envs.assets.panda import PANDA
from robolearn.envs.sim.kinematics import Kinematics
from robolearn.envs.sim.model import as_index
from robolearn.envs.tasks.base import turned_down

PEERS = Path(__file__).parents[2] / ".venv-peers" / "bin" / "python"
LOW, HIGH = np.array(PANDA.spec.q_min), np.array(PANDA.spec.q_max)
# Modified Denavit-Hartenberg parameters as Franka publishes them: a (m), d (m), alpha (rad) of joints 1-7.
DH = [
    (0.0, 0.333, 0.0),
    (0.0, 0.0, -np.pi / 2),
    (0.0, 0.316, np.pi / 2),
    (0.0825, 0.0, np.pi / 2),
    (-0.0825, 0.384, -np.pi / 2),
    (0.0, 0.0, np.pi / 2),
    (0.088, 0.0, np.pi / 2),
]
ROBOSUITE = """
import json, sys
import mujoco, numpy as np
from robosuite.models.grippers import PandaGripper
from robosuite.models.robots import Panda
robot = Panda()
robot.add_gripper(PandaGripper(), robot.eef_name["right"])
model = robot.get_model()
data = mujoco.MjData(model)
address = [int(model.joint(f"robot0_joint{i}").qposadr[0]) for i in range(1, 8)]
poses = []
for q in json.loads(sys.stdin.read()):
    data.qpos[address] = q
    mujoco.mj_kinematics(model, data)
    site = data.site("gripper0_grip_site")
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, site.xmat)
    poses.append([*site.xpos.tolist(), *quat.tolist()])
print(json.dumps(poses))
"""


@pytest.fixture(scope="module")
def kinematics() -> Kinematics:
    return Kinematics(PANDA)


def published_pose(q):
    """The tool by the published parameters: flange 0.107 m, hand turned by -45 degrees, tool 0.097 m further, -90 degrees."""
    frame = np.eye(4)
    for (a, d, alpha), angle in zip(DH, q, strict=True):
        ca, sa, ct, st_ = np.cos(alpha), np.sin(alpha), np.cos(angle), np.sin(angle)
        link = [[ct, -st_, 0, a], [st_ * ca, ct * ca, -sa, -sa * d], [st_ * sa, ct * sa, ca, ca * d], [0, 0, 0, 1]]
        frame = frame @ np.array(link)
    turn = -0.75 * np.pi
    c, s = np.cos(turn), np.sin(turn)
    frame = frame @ np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0.107 + 0.097], [0, 0, 0, 1]])
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, frame[:3, :3].ravel())
    return Pose(frame[:3, 3], quat)


def test_at_zero_the_tool_is_where_the_datasheet_says(kinematics):
    # x: the 0.088 m offset of joint 7; z: 0.333 + 0.316 + 0.384 - 0.107 - 0.097.
    np.testing.assert_allclose(kinematics.pose(np.zeros(7)).position, [0.088, 0.0, 0.829], atol=1e-9)


def test_forward_kinematics_follow_the_published_parameters(kinematics):
    rng = np.random.default_rng(0)
    for q in rng.uniform(LOW, HIGH, (200, 7)):
        ours, theirs = kinematics.pose(q), published_pose(q)
        np.testing.assert_allclose(ours.position, theirs.position, atol=1e-8)
        assert np.abs(rotation_error(ours.quat_wxyz, theirs.quat_wxyz)).max() < 1e-7


def test_forward_kinematics_agree_with_robosuites_panda(kinematics):
    python = sys.executable
    if subprocess.run([python, "-c", "import robosuite"], capture_output=True, check=False).returncode:
        python = str(PEERS)
    if not Path(python).is_file():
        pytest.skip("robosuite is not installed, neither here nor in .venv-peers")
    qs = np.random.default_rng(1).uniform(LOW, HIGH, (1000, 7))
    done = subprocess.run(
        [python, "-c", ROBOSUITE], input=json.dumps(qs.tolist()), capture_output=True, text=True, check=True
    )
    for q, pose in zip(qs, json.loads(done.stdout.strip().splitlines()[-1]), strict=True):
        ours = kinematics.pose(q)
        assert np.linalg.norm(ours.position - pose[:3]) < 1e-3
        assert np.linalg.norm(rotation_error(ours.quat_wxyz, np.array(pose[3:]))) < 1e-3


def test_the_jacobian_is_the_derivative_of_the_pose(kinematics):
    q = np.array([0.3, -0.5, 0.2, -2.0, 0.4, 1.8, 0.6])
    jacobian, pose, h = kinematics.jacobian(q).copy(), kinematics.pose(q), 1e-6
    for joint in range(7):
        moved = kinematics.pose(q + h * np.eye(7)[joint])
        linear = (moved.position - pose.position) / h
        angular = rotation_error(moved.quat_wxyz, pose.quat_wxyz) / h
        np.testing.assert_allclose(jacobian[:, joint], np.concatenate([linear, angular]), atol=1e-5)


def test_the_twist_is_the_jacobian_times_the_joint_speeds(kinematics):
    q, dq = np.array(PANDA.spec.q_home), np.linspace(-0.3, 0.3, 7)
    np.testing.assert_allclose(kinematics.motion(q, dq)[1], kinematics.jacobian(q) @ dq, atol=1e-12)


@given(
    x=st.floats(0.32, 0.65),
    y=st.floats(-0.25, 0.25),
    z=st.floats(0.02, 0.4),
    yaw=st.floats(-1.2, 1.2),
)
def test_inverse_kinematics_reach_every_pose_above_the_table(x, y, z, yaw):
    kinematics = Kinematics(PANDA)
    target = Pose(np.array([x, y, z]), turned_down(yaw))
    q = kinematics.solve(target)
    reached = kinematics.pose(q)
    assert ((q > LOW) & (q < HIGH)).all()
    np.testing.assert_allclose(reached.position, target.position, atol=2e-5)
    assert np.abs(rotation_error(target.quat_wxyz, reached.quat_wxyz)).max() < 2e-5


def test_an_unreachable_pose_is_named(kinematics):
    with pytest.raises(DriverError, match=r"inverse kinematics.*\[2.0, 0.0, 0.5\]"):
        kinematics.solve(Pose(np.array([2.0, 0.0, 0.5]), turned_down(0.0)))


@given(
    q=st.lists(st.floats(0.0, 1.0), min_size=7, max_size=7), jump=st.lists(st.floats(-0.5, 0.5), min_size=6, max_size=6)
)
def test_a_step_never_breaks_joint_speeds_or_limits(q, jump):
    kinematics = Kinematics(PANDA)
    start = LOW + 0.01 + np.array(q) * (HIGH - LOW - 0.02)
    here = kinematics.pose(start)
    turn = quat_from_rotvec(np.array(jump[3:]))
    target = Pose(here.position + np.array(jump[:3]), (Pose(np.zeros(3), turn) @ here).quat_wxyz)
    following = kinematics.follow(start, target, dt=0.02)
    assert (np.abs(following - start) <= np.array(PANDA.spec.dq_max) * 0.02 + 1e-9).all()
    assert (following >= LOW).all()
    assert (following <= HIGH).all()


def test_adjacent_entries_are_indexed_by_a_slice():
    assert as_index([3, 4, 5]) == slice(3, 6)
    assert as_index([3, 5]).tolist() == [3, 5]
