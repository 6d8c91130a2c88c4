"""What takes pictures: one call, one picture, and an error with a name when there is none."""

import time
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import DriverError
from robolearn.core.robot import CameraSpec


class PictureSource(Protocol):
    """A camera as its server sees it; belongs to one process."""

    @property
    def spec(self) -> CameraSpec:
        """Return what it delivers."""
        ...

    def open(self) -> None:
        """Get ready.

        Raises:
            DriverError: If the device is missing.
        """
        ...

    def read(self) -> tuple[NDArray[np.uint8], int]:
        """Wait for the next picture (H, W, 3) RGB, and return it with its time on this machine's monotonic clock, ns.

        Raises:
            DriverError: If there is none.
        """
        ...

    def close(self) -> None:
        """Let go of the device; may be called twice."""
        ...


class OpenCVCamera:
    """A V4L2 device by its number or path, or a video file, which is played in real time over and over.

    Args:
        name: Of the camera.
        device: Number, `/dev/video...`, or a file.
        height: Pixels.
        width: Pixels.
        rate_hz: Wanted.
        latency_s: Between a picture's exposure and its arrival here, as measured; it is taken off the stamps.
    """

    def __init__(
        self,
        name: str,
        device: str,
        *,
        height: int = 480,
        width: int = 640,
        rate_hz: float = 30.0,
        latency_s: float = 0.0,
    ) -> None:
        self._spec = CameraSpec(name=name, height=height, width=width, rate_hz=rate_hz)
        self._device, self._latency_ns = device, round(latency_s * 1e9)
        self._capture: cv2.VideoCapture | None = None
        self._due_s = 0.0

    @property
    def spec(self) -> CameraSpec:
        """Return what it delivers."""
        return self._spec

    def open(self) -> None:
        """Open the device.

        Raises:
            DriverError: If it cannot be opened.
        """
        number = self._device.isdigit() or self._device.startswith("/dev/")
        capture = cv2.VideoCapture(int(self._device) if self._device.isdigit() else self._device)
        if not capture.isOpened():
            fix = "is it plugged in, and may this user read it? `robolearn doctor` lists cameras" if number else ""
            raise DriverError(f"camera '{self._spec.name}'", expected=f"'{self._device}'", got="nothing there", fix=fix)
        if number:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._spec.width)
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._spec.height)
            capture.set(cv2.CAP_PROP_FPS, self._spec.rate_hz)
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._is_file, self._capture, self._due_s = not number, capture, time.monotonic()

    def read(self) -> tuple[NDArray[np.uint8], int]:
        """Return the next picture; a file starts over at its end.

        Raises:
            DriverError: If there is none.
        """
        if self._capture is None:
            self.open()
        assert self._capture is not None
        good, picture = self._capture.read()
        if not good and self._is_file:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
            good, picture = self._capture.read()
        if not good:
            raise DriverError(f"camera '{self._spec.name}'", expected="a picture", got="none", fix="is it still there?")
        if self._is_file:
            self._due_s = max(self._due_s + 1.0 / self._spec.rate_hz, time.monotonic() - 1.0)
            time.sleep(max(self._due_s - time.monotonic(), 0.0))
        stamp_ns = time.monotonic_ns() - self._latency_ns
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8), stamp_ns

    def close(self) -> None:
        """Let go of the device."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None


class SyntheticCamera:
    """Pictures that are computed: a bar that moves, and a number that counts them, coded in the first pixels.

    Args:
        name: Of the camera.
        height: Pixels.
        width: Pixels, 32 at least.
        rate_hz: At which they come.
    """

    def __init__(self, name: str, *, height: int = 480, width: int = 640, rate_hz: float = 30.0) -> None:
        self._spec = CameraSpec(name=name, height=height, width=width, rate_hz=rate_hz)
        rng = np.random.default_rng(0)
        self._ground = rng.integers(0, 255, (height, width, 3), np.uint8)
        self._count, self._due_s = 0, time.monotonic()

    @property
    def spec(self) -> CameraSpec:
        """Return what it delivers."""
        return self._spec

    def open(self) -> None:
        """Do nothing."""

    def read(self) -> tuple[NDArray[np.uint8], int]:
        """Return the next picture at its time."""
        self._due_s = max(self._due_s + 1.0 / self._spec.rate_hz, time.monotonic() - 1.0)
        time.sleep(max(self._due_s - time.monotonic(), 0.0))
        picture = self._ground.copy()
        at = self._count * 4 % self._spec.width
        picture[:, at : at + 8] = 255
        bits = [255 * (self._count >> bit & 1) for bit in range(32)]
        picture[0, :32] = np.array(bits, np.uint8)[:, None]
        self._count += 1
        return picture, time.monotonic_ns()

    def close(self) -> None:
        """Do nothing."""
