"""Any camera that LeRobot reads (huggingface/lerobot 0.4, `lerobot.cameras.Camera`), by its names and shape, not its class."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from robolearn.core.errors import ConfigError, DriverError
from robolearn.hardware.cameras.source import CameraConfig, PictureSource
from robolearn.hardware.plugin import named

PATIENCE = 5.0
"""Periods that the next picture may take."""


@dataclass(kw_only=True, slots=True)
class LeRobotCameraConfig(CameraConfig):
    """A camera of LeRobot; by default one that it reads by OpenCV."""

    camera: str = "lerobot.cameras.opencv.camera_opencv:OpenCVCamera"
    """`module:class` of the camera; one argument, its configuration."""
    config: str = "lerobot.cameras.opencv.configuration_opencv:OpenCVCameraConfig"
    """`module:class` of the configuration; it gets `fps`, `width` and `height` too."""
    kwargs: dict[str, Any] = field(default_factory=lambda: dict[str, Any](index_or_path=0))
    """Its further arguments."""

    def __post_init__(self) -> None:
        CameraConfig.__post_init__(self)
        self.kwargs = dict(self.kwargs)


class LeRobotCamera(PictureSource):
    """One camera; LeRobot's have no stamps, so a picture counts from when it came.

    Args:
        cfg: Which one.
    """

    def __init__(self, cfg: LeRobotCameraConfig) -> None:
        super().__init__(cfg)
        self._cfg = cfg
        self._camera: Any = None

    @override
    def open(self) -> None:
        cfg, spec = self._cfg, self._spec
        make, config = named(cfg.camera, "camera.camera"), named(cfg.config, "camera.config")
        try:
            camera = make(config(fps=round(spec.rate_hz), width=spec.width, height=spec.height, **cfg.kwargs))
        except TypeError as error:
            raise ConfigError("camera.kwargs", expected=f"arguments of {cfg.config}", got=str(error)) from error
        try:
            camera.connect()
        except (OSError, RuntimeError, ValueError) as error:
            fix = "is it plugged in? `lerobot-find-cameras` lists what LeRobot sees"
            raise DriverError(self.where, expected="a camera that answers", got=str(error), fix=fix) from error
        self._camera = camera

    @override
    def read(self) -> tuple[NDArray[np.uint8], int]:
        if self._camera is None:
            self.open()
        try:
            picture = np.asarray(self._camera.async_read(timeout_ms=1e3 * PATIENCE / self._spec.rate_hz))
        except (OSError, RuntimeError) as error:  # a TimeoutError is an OSError
            raise self._no_picture(str(error)) from error
        return picture, self._stamp_ns()

    @override
    def close(self) -> None:
        if self._camera is not None and self._camera.is_connected:
            self._camera.disconnect()
        self._camera = None
