"""A simulated camera: frames of a MuJoCo world at the instant they are asked for."""

from types import TracebackType
from typing import Self

from robolearn.core.errors import ConfigError
from robolearn.core.robot import CameraSpec, Frame
from robolearn.envs.sim.world import World

SIZES = range(16, 1025)


class SimCamera:
    """One camera of a world; a `CameraDriver` whose frames are never old.

    Args:
        world: What it looks at.
        name: One of `world.cameras`.
        height: Pixels.
        width: Pixels.
        profile: `cheap` or `pretty`.
        rate_hz: At which it is said to take pictures; by default once in a control period.

    Raises:
        ConfigError: If the camera is unknown or the size unusable.
    """

    def __init__(
        self, world: World, name: str, height: int, width: int, profile: str = "cheap", rate_hz: float | None = None
    ) -> None:
        world.camera_id(name)
        if height not in SIZES or width not in SIZES:
            limits = f"{SIZES.start} to {SIZES.stop - 1} pixels a side"
            raise ConfigError(f"camera '{name}'", expected=limits, got=f"{height} x {width}")
        self._world = world
        self._profile = profile
        rate_hz = 1.0 / world.clock.period_s if rate_hz is None else rate_hz
        self._spec = CameraSpec(name=name, height=height, width=width, rate_hz=rate_hz)
        self._seq = 0

    @property
    def spec(self) -> CameraSpec:
        """Return what the camera delivers."""
        return self._spec

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._world.close()

    def latest(self, max_age_s: float) -> Frame:
        """Return a frame of this simulated instant, whatever `max_age_s` is; the caller owns its array.

        Raises:
            DriverError: If no OpenGL backend works.
        """
        del max_age_s
        spec, clock = self._spec, self._world.clock
        self._seq += 1
        pixels = self._world.render(spec.name, spec.height, spec.width, self._profile)
        return Frame(pixels=pixels, stamp_ns=clock.now_ns(), clock_id=clock.clock_id, seq=self._seq)
