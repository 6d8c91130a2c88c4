"""The one safety supervisor, used in simulation, on the twin and on hardware."""

from robolearn.safety.limits import SafetyLimits
from robolearn.safety.monitors import command_faults
from robolearn.safety.supervisor import SupervisedRobot

__all__ = ["SafetyLimits", "SupervisedRobot", "command_faults"]
