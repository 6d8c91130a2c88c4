"""SO-101 of TheRobotStudio with its one-sided jaw: the facts that a simulated arm needs beside `so101.xml`."""

from pathlib import Path

from robolearn.core import arms
from robolearn.envs.sim.model import ArmModel, Gripper, Placement

_CLOSED, _OPEN = arms.SO101_JAW

SO101 = ArmModel(
    path=Path(__file__).with_name("so101.xml"),
    spec=arms.SO101,
    joints=arms.SO101.joint_names,
    actuators=arms.SO101.joint_names,
    base_body="base",
    tool_site="tool",
    tool_bodies=("hand", "jaw"),
    gripper=Gripper(
        actuator="gripper", joints=("gripper",), closed=_CLOSED, open=_OPEN, speed=3.0, jaw_m=arms.SO101_JAW_M
    ),
    stand=Placement(position=(0.25, 0.0, 0.0)),
    proprio=("q", "gripper", "gripper_speed"),
)
