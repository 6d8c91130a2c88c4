"""An arm and a camera by the interface of LeRobot 0.4: the same names, units and errors. The arm follows its targets in real time."""

import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll")
HOME_DEGREES = np.degrees([0.0, -0.2, 0.1, 1.5, 1.57])
SPEED = 200.0
"""Degrees/s."""


@dataclass
class RobotConfig:
    port: str
    use_degrees: bool = False
    disable_torque_on_disconnect: bool = True
    calibrated: bool = True


class Robot:
    """Motors that move towards their goals."""

    made: ClassVar[list] = []

    def __init__(self, config: RobotConfig) -> None:
        self.config, self.is_connected, self.unplugged, self.hung = config, False, False, False
        self.at = np.append(HOME_DEGREES, 100.0)
        self.goal = self.at.copy()
        self.then = time.monotonic()
        Robot.made.append(self)

    @property
    def action_features(self):
        return {f"{name}.pos": float for name in (*JOINTS, "gripper")}

    observation_features = action_features

    @property
    def is_calibrated(self):
        return self.config.calibrated

    def connect(self, calibrate: bool = True) -> None:
        if self.config.port == "/dev/none":
            raise ConnectionError(f"Could not connect on port '{self.config.port}'.")
        self.is_connected, self.then = True, time.monotonic()

    def disconnect(self) -> None:
        if not self.is_connected:
            raise RuntimeError(f"{self} is not connected.")
        self.is_connected = False

    def _bus(self) -> None:
        if self.unplugged:
            raise ConnectionError("Failed to sync read 'Present_Position': [TxRxResult] There is no status packet!")
        while self.hung:
            time.sleep(1e-3)
        now = time.monotonic()
        step, self.then = SPEED * (now - self.then), now
        self.at = self.at + np.clip(self.goal - self.at, -step, step)

    def get_observation(self):
        self._bus()
        return dict(zip((f"{name}.pos" for name in (*JOINTS, "gripper")), self.at.tolist(), strict=True))

    def send_action(self, action):
        self._bus()
        for index, name in enumerate((*JOINTS, "gripper")):
            if f"{name}.pos" in action:
                self.goal[index] = action[f"{name}.pos"]
        return action


@dataclass
class CameraConfig:
    index_or_path: int
    fps: int
    width: int
    height: int


class Camera:
    """Pictures that count."""

    made: ClassVar[list] = []

    def __init__(self, config: CameraConfig) -> None:
        self.config, self.is_connected, self.dead, self.count = config, False, False, 0
        Camera.made.append(self)

    def connect(self, warmup: bool = True) -> None:
        if self.config.index_or_path == 99:
            raise ConnectionError(
                "Failed to open OpenCVCamera(99).Run `lerobot-find-cameras opencv` to find available cameras."
            )
        self.is_connected = True

    def async_read(self, timeout_ms: float = 200):
        if self.dead:
            raise TimeoutError(f"Timed out waiting for frame from camera after {timeout_ms} ms.")
        time.sleep(1.0 / self.config.fps)
        self.count += 1
        return np.full((self.config.height, self.config.width, 3), self.count, np.uint8)

    def disconnect(self) -> None:
        self.is_connected = False
