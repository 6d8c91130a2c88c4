"""Publishes what a camera driver of this very process sees, such as a twin's."""

from robolearn.core.protocols import CameraDriver, Clock
from robolearn.wire.codec import pack
from robolearn.wire.messages import CameraAddress, FrameInfo
from robolearn.wire.sockets import Sockets, bound_to


class CameraTap:
    """One camera driver, looked at at its own rate.

    Args:
        driver: Entered by its owner.
        clock: Of its stamps.
        sockets: Of the server.
        endpoint: Where its pictures are published.
    """

    def __init__(self, driver: CameraDriver, clock: Clock, sockets: Sockets, endpoint: str) -> None:
        self._driver, self._clock = driver, clock
        self._tell = sockets.publish(endpoint)
        self._period_ns = round(1e9 / driver.spec.rate_hz)
        self._due_ns, self._seq = clock.now_ns(), 0

    @property
    def address(self) -> CameraAddress:
        """Return where its pictures come from, and how they are."""
        spec = self._driver.spec
        return CameraAddress(endpoint=bound_to(self._tell), height=spec.height, width=spec.width, rate_hz=spec.rate_hz)

    def look(self) -> None:
        """Publish a picture if it is time for one."""
        now_ns = self._clock.now_ns()
        if now_ns < self._due_ns:
            return
        self._due_ns = max(self._due_ns + self._period_ns, now_ns)
        frame = self._driver.latest(self._period_ns * 1e-9)
        info = FrameInfo(
            camera=self._driver.spec.name,
            seq=self._seq,
            stamp_ns=frame.stamp_ns,
            clock_id=frame.clock_id,
            faults=[],
        )
        self._seq += 1
        self._tell.send(pack(info, {"pixels": frame.pixels}))
