"""Cameras and video files by OpenCV."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from robolearn.core.errors import DriverError
from robolearn.hardware.cameras.source import CameraConfig, Metronome, PictureSource


@dataclass(kw_only=True, slots=True)
class OpenCVConfig(CameraConfig):
    """A V4L2 device, or a video file, which is played in real time over and over."""

    device: str = "0"
    """Number, `/dev/video...`, or a file."""


class OpenCVCamera(PictureSource):
    """A device or a file, read by OpenCV.

    Args:
        cfg: Which one.
    """

    def __init__(self, cfg: OpenCVConfig) -> None:
        super().__init__(cfg)
        self._device = cfg.device
        self._is_file = not (cfg.device.isdigit() or cfg.device.startswith("/dev/"))
        self._capture: cv2.VideoCapture | None = None

    @override
    def open(self) -> None:
        device, spec = self._device, self._spec
        capture = cv2.VideoCapture(int(device) if device.isdigit() else device)
        if not capture.isOpened():
            fix = (
                "" if self._is_file else "is it plugged in, and may this user read it? `robolearn doctor` lists cameras"
            )
            raise DriverError(self.where, expected=f"'{device}'", got="nothing there", fix=fix)
        if not self._is_file:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, spec.width)
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, spec.height)
            capture.set(cv2.CAP_PROP_FPS, spec.rate_hz)
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._capture, self._beat = capture, Metronome(spec.rate_hz)

    @override
    def read(self) -> tuple[NDArray[np.uint8], int]:
        if self._capture is None:
            self.open()
        assert self._capture is not None
        good, picture = self._capture.read()
        if not good and self._is_file:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
            good, picture = self._capture.read()
        if not good:
            raise self._no_picture("none")
        if self._is_file:
            self._beat.wait()
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False), self._stamp_ns()

    @override
    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None
