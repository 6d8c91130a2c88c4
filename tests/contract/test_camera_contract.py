"""What every `CameraDriver` must do."""

import numpy as np
import pytest
from fakes import FakeCamera, ManualClock
from rigs import CAMERAS, CameraRig

from robolearn.core.errors import StaleFrameError


@pytest.fixture(params=CAMERAS)
def rig(request) -> CameraRig:
    return CAMERAS[request.param]()


def test_frames_are_as_the_spec_says(rig):
    spec = rig.driver.spec
    with rig.driver as camera:
        frame = camera.latest(1.0)
        assert frame.pixels.shape == (spec.height, spec.width, 3)
        assert frame.pixels.dtype == np.uint8
        assert frame.pixels.flags.c_contiguous
    assert spec.rate_hz > 0
    assert spec.name


def test_frames_are_stamped_on_the_named_clock_and_count_up(rig):
    with rig.driver as camera:
        seen = []
        for _ in range(3):
            rig.clock.wait()
            frame = camera.latest(1.0)
            assert frame.clock_id == rig.clock.clock_id
            assert 0 <= rig.clock.now_ns() - frame.stamp_ns <= 1e9
            seen.append((frame.stamp_ns, frame.seq))
        assert seen == sorted(set(seen))


def test_the_caller_owns_the_pixels(rig):
    with rig.driver as camera:
        first = camera.latest(1.0)
        kept = first.pixels.copy()
        first.pixels[:] = 77
        second = camera.latest(1.0)
        assert np.array_equal(second.pixels, kept)
        assert (first.pixels == 77).all()


def test_a_picture_has_content(rig):
    with rig.driver as camera:
        assert camera.latest(1.0).pixels.max() > 0


def test_an_old_frame_is_an_error_that_says_how_old():
    clock = ManualClock(0.1)
    camera = FakeCamera(clock)
    camera.freeze()
    clock.advance(0.2)
    camera.latest(0.25)
    clock.advance(0.1)
    with pytest.raises(StaleFrameError, match=r"0\.300 s"):
        camera.latest(0.25)
