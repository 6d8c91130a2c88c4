"""pyrealsense2 2.59 as far as a colour camera needs it: the same names, arguments and errors."""

import time
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import numpy as np

SERIAL = "f1234567"


class Config:
    def __init__(self):
        self.serial, self.size = "", None

    def enable_device(self, serial):
        self.serial = serial

    def enable_stream(self, stream, width, height, format_, framerate):
        assert (stream, format_) == ("color", "rgb8")
        self.size = (height, width, framerate)


class Frame:
    def __init__(self, size, domain, late_s):
        self.size, self.domain, self.stamp_ms = size, domain, 1e3 * (time.time() - late_s)

    def get_data(self):
        return np.full((*self.size[:2], 3), 7, np.uint8)

    def get_frame_timestamp_domain(self):
        return self.domain

    def get_timestamp(self):
        return self.stamp_ms


class Pipeline:
    made: ClassVar[list] = []
    domain, late_s = "global_time", 0.03

    def __init__(self):
        self.running = self.dead = False
        Pipeline.made.append(self)

    def start(self, config):
        if config.serial not in ("", SERIAL):
            raise RuntimeError("No device connected")
        if config.size[2] > 90:
            raise RuntimeError("Couldn't resolve requests")
        self.size, self.running = config.size, True

    def wait_for_frames(self, timeout_ms=5000):
        if self.dead:
            raise RuntimeError(f"Frame didn't arrive within {timeout_ms}")
        time.sleep(1.0 / self.size[2])
        return SimpleNamespace(get_color_frame=lambda: Frame(self.size, self.domain, self.late_s))

    def stop(self):
        if not self.running:
            raise RuntimeError("stop() cannot be called before start()")
        self.running = False


def module() -> ModuleType:
    """Return what stands for pyrealsense2."""
    fake = ModuleType("pyrealsense2")
    fake.config, fake.pipeline = Config, Pipeline
    fake.stream, fake.format = SimpleNamespace(color="color"), SimpleNamespace(rgb8="rgb8")
    fake.timestamp_domain = SimpleNamespace(global_time="global_time", system_time="system_time")
    return fake
