"""Franka Emika Panda with its parallel hand: the facts that a simulated arm needs beside `panda.xml`."""

from pathlib import Path

from robolearn.core import arms
from robolearn.envs.sim.model import ArmModel, Gripper

PANDA = ArmModel(
    path=Path(__file__).with_name("panda.xml"),
    spec=arms.PANDA,
    joints=arms.PANDA.joint_names,
    actuators=arms.PANDA.joint_names,
    base_body="link0",
    tool_site="tool",
    tool_bodies=("hand", "left_finger", "right_finger"),
    gripper=Gripper(actuator="gripper", joints=("finger1", "finger2"), closed=0.0, open=0.04, speed=0.05),
    proprio=("position", "yaw", "gripper", "gripper_speed"),
)
