"""Arms that are known by name: what they are, for simulations and for drivers alike."""

import math

from robolearn.core.robot import CommandMode, RobotSpec

_PANDA_JOINTS = tuple(f"joint{i}" for i in range(1, 8))
_UR_JOINTS = ("shoulder_pan", "shoulder_lift", "elbow", "wrist_1", "wrist_2", "wrist_3")
_TURN, _RIGHT = 2.0 * math.pi, 0.5 * math.pi
SO101_JAW = (-0.174533, 1.74533)
"""Angles of the jaw's hinge, closed and open, rad."""
SO101_JAW_M = 0.082
"""From the hinge to the tip of the jaw."""

PANDA = RobotSpec(
    name="panda",
    joint_names=_PANDA_JOINTS,
    q_min=(-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973),
    q_max=(2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973),
    dq_max=(2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61),
    ddq_max=(15.0, 7.5, 10.0, 12.5, 15.0, 20.0, 20.0),
    tau_max=(87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0),
    q_home=(0.0, -0.785398, 0.0, -2.356194, 0.0, 1.570796, 0.785398),
    modes=tuple(CommandMode),
    senses=("pose_tool_in_base", "twist", "wrench", "gripper", "gripper_speed"),
    gripper_max_m=0.08,
    links=(
        (0.0, 0.0, 0.333),
        (0.0, -_RIGHT, 0.0),
        (0.0, _RIGHT, 0.316),
        (0.0825, _RIGHT, 0.0),
        (-0.0825, -_RIGHT, 0.384),
        (0.0, _RIGHT, 0.0),
        (0.088, _RIGHT, 0.0),
    ),
    tool_m=0.107 + 0.097,
)
"""Franka Emika Panda with its parallel hand. Source: Franka Control Interface documentation (limits, ready pose, hand speed, links)."""

SO101 = RobotSpec(
    name="so101",
    joint_names=("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll"),
    q_min=(-1.91986, -1.74533, -1.69, -1.65806, -2.74385),
    q_max=(1.91986, 1.74533, 1.69, 1.65806, 2.84121),
    dq_max=(4.7, 4.7, 4.7, 4.7, 4.7),
    ddq_max=(20.0, 20.0, 20.0, 20.0, 20.0),
    tau_max=(2.94, 2.94, 2.94, 2.94, 2.94),
    q_home=(0.0, -0.2, 0.1, 1.5, 1.57),
    modes=(CommandMode.JOINT_POSITION,),
    senses=("gripper", "gripper_speed"),
    gripper_max_m=2.0 * SO101_JAW_M * math.sin(0.5 * (SO101_JAW[1] - SO101_JAW[0])),
)
"""SO-101 of TheRobotStudio with its one-sided jaw.

Source: TheRobotStudio/SO-ARM100, Simulation/SO101 (joints); data sheet of the STS3215 at 12 V (no-load speed 45 rpm, torque 30 kg cm). The
acceleration is what that torque, less the arm's weight, gives the outstretched arm."""

UR5E = RobotSpec(
    name="ur5e",
    joint_names=_UR_JOINTS,
    q_min=(-_TURN, -_TURN, -math.pi, -_TURN, -_TURN, -_TURN),
    q_max=(_TURN, _TURN, math.pi, _TURN, _TURN, _TURN),
    dq_max=(math.pi,) * 6,
    ddq_max=(15.0,) * 6,
    tau_max=(150.0, 150.0, 150.0, 28.0, 28.0, 28.0),
    q_home=(0.0, -1.57, 1.57, -1.57, -1.57, 0.0),
    modes=tuple(CommandMode),
    senses=("pose_tool_in_base", "twist", "wrench"),
    links=(
        (0.0, 0.0, 0.1625),
        (0.0, _RIGHT, 0.0),
        (-0.425, 0.0, 0.0),
        (-0.3922, 0.0, 0.1333),
        (0.0, _RIGHT, 0.0997),
        (0.0, -_RIGHT, 0.0996),
    ),
)
"""Joint ranges, speeds, torques and links of the vendor's data sheets; accelerations are ours, well below what the arm can do."""

ARMS = {spec.name: spec for spec in (PANDA, SO101, UR5E)}
"""By name."""
