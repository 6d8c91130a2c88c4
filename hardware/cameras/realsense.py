"""Colour pictures of RealSense cameras, by pyrealsense2."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from robolearn.core.errors import ConfigError, DriverError
from robolearn.hardware.cameras.source import CameraConfig, PictureSource

EXTRA = "pip install 'robolearn[realsense]'"
PATIENCE = 5.0
"""Periods that the next picture may take."""
FIRST_MS = 5_000
"""Patience for the first one: the sensor warms up."""


@dataclass(kw_only=True, slots=True)
class RealSenseConfig(CameraConfig):
    """A RealSense camera. It is never reset: others on the bus may be in use."""

    serial: str = ""
    """Its serial number; empty for the only one there is."""


class RealSenseCamera(PictureSource):
    """One camera; a picture's stamp is when its exposure was, where the driver knows that on this machine's clock.

    Elsewhere it is when the picture came.

    Args:
        cfg: Which one.
    """

    def __init__(self, cfg: RealSenseConfig) -> None:
        super().__init__(cfg)
        self._serial = cfg.serial
        self._rs: Any = None
        self._pipeline: Any = None
        self._patience_ms = FIRST_MS

    @override
    def open(self) -> None:
        try:
            import pyrealsense2 as rs
        except ModuleNotFoundError as error:
            raise ConfigError("camera=realsense", expected="pyrealsense2", got="not installed", fix=EXTRA) from error
        spec, wanted = self._spec, rs.config()
        if self._serial:
            wanted.enable_device(self._serial)
        wanted.enable_stream(rs.stream.color, spec.width, spec.height, rs.format.rgb8, round(spec.rate_hz))
        pipeline = rs.pipeline()
        try:
            pipeline.start(wanted)
        except RuntimeError as error:
            what = f"'{self._serial}'" if self._serial else "one"
            got = f"{spec.width}x{spec.height} at {spec.rate_hz:g} Hz: {error}"
            fix = "is it plugged in at a USB 3 port, in nobody else's use, and does it have this size and rate?"
            raise DriverError(self.where, expected=f"{what} that starts", got=got, fix=fix) from error
        self._rs, self._pipeline, self._patience_ms = rs, pipeline, FIRST_MS

    @override
    def read(self) -> tuple[NDArray[np.uint8], int]:
        if self._pipeline is None:
            self.open()
        try:
            colour = self._pipeline.wait_for_frames(self._patience_ms).get_color_frame()
        except RuntimeError as error:
            raise self._no_picture(str(error)) from error
        if not colour:
            raise self._no_picture("frames without a colour one")
        self._patience_ms = round(1e3 * PATIENCE / self._spec.rate_hz)
        return np.array(colour.get_data(), np.uint8), self._exposed_ns(colour)

    @override
    def close(self) -> None:
        if self._pipeline is not None:
            self._pipeline.stop()
            self._pipeline = None

    def _exposed_ns(self, colour: Any) -> int:  # noqa: ANN401
        """Return when a frame was exposed, on the monotonic clock; the driver's stamps are ms since 1970."""
        if colour.get_frame_timestamp_domain() != self._rs.timestamp_domain.global_time:
            return self._stamp_ns()
        age_ns = time.time_ns() - round(1e6 * colour.get_timestamp())
        return time.monotonic_ns() - max(age_ns, 0)
