"""Franka Emika Panda with its parallel hand: the facts that a simulated arm needs beside `panda.xml`."""

from pathlib import Path

from robolearn.core.robot import CommandMode, RobotSpec
from robolearn.envs.sim.model import ArmModel, Gripper

_JOINTS = tuple(f"joint{i}" for i in range(1, 8))

PANDA = ArmModel(
    path=Path(__file__).with_name("panda.xml"),
    spec=RobotSpec(
        name="panda",
        joint_names=_JOINTS,
        q_min=(-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973),
        q_max=(2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973),
        dq_max=(2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61),
        ddq_max=(15.0, 7.5, 10.0, 12.5, 15.0, 20.0, 20.0),
        tau_max=(87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0),
        q_home=(0.0, -0.785398, 0.0, -2.356194, 0.0, 1.570796, 0.785398),
        modes=tuple(CommandMode),
        senses=("pose_tool_in_base", "twist", "wrench", "gripper", "gripper_speed"),
        gripper_max_m=0.08,
    ),
    joints=_JOINTS,
    actuators=_JOINTS,
    base_body="link0",
    tool_site="tool",
    tool_bodies=("hand", "left_finger", "right_finger"),
    gripper=Gripper(actuator="gripper", joints=("finger1", "finger2"), closed=0.0, open=0.04, speed=0.05),
    proprio=("position", "yaw", "gripper", "gripper_speed"),
)
"""Source: Franka Control Interface documentation (limits, ready pose, hand speed)."""
