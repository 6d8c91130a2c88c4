"""SO-101 of TheRobotStudio with its one-sided jaw: the facts that a simulated arm needs beside `so101.xml`."""

import math
from pathlib import Path

from robolearn.core.robot import CommandMode, RobotSpec
from robolearn.envs.sim.model import ArmModel, Gripper, Placement

_JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll")
_CLOSED, _OPEN = -0.174533, 1.74533
"""Limits of the jaw's hinge, rad."""
_JAW_M = 0.082

SO101 = ArmModel(
    path=Path(__file__).with_name("so101.xml"),
    spec=RobotSpec(
        name="so101",
        joint_names=_JOINTS,
        q_min=(-1.91986, -1.74533, -1.69, -1.65806, -2.74385),
        q_max=(1.91986, 1.74533, 1.69, 1.65806, 2.84121),
        dq_max=(4.7, 4.7, 4.7, 4.7, 4.7),
        ddq_max=(20.0, 20.0, 20.0, 20.0, 20.0),
        tau_max=(2.94, 2.94, 2.94, 2.94, 2.94),
        q_home=(0.0, -0.2, 0.1, 1.5, 1.57),
        modes=(CommandMode.JOINT_POSITION,),
        senses=("gripper", "gripper_speed"),
        gripper_max_m=2.0 * _JAW_M * math.sin(0.5 * (_OPEN - _CLOSED)),
    ),
    joints=_JOINTS,
    actuators=_JOINTS,
    base_body="base",
    tool_site="tool",
    tool_bodies=("hand", "jaw"),
    gripper=Gripper(actuator="gripper", joints=("gripper",), closed=_CLOSED, open=_OPEN, speed=3.0, jaw_m=_JAW_M),
    stand=Placement(position=(0.25, 0.0, 0.0)),
    proprio=("q", "gripper", "gripper_speed"),
)
"""Source: TheRobotStudio/SO-ARM100, Simulation/SO101 (joints); data sheet of the STS3215 at 12 V (no-load speed 45 rpm,
torque 30 kg cm). The acceleration is what that torque, less the arm's weight, gives the outstretched arm."""
