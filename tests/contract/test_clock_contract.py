"""What every `Clock` must do."""

from collections.abc import Callable

import pytest
from fakes import ManualClock

from robolearn.core.clock import SimClock, WallClock
from robolearn.core.protocols import Clock

CLOCKS: dict[str, Callable[[], Clock]] = {
    "sim": lambda: SimClock(0.005, lambda _: None),
    "wall": lambda: WallClock(0.005),
    "manual": lambda: ManualClock(0.005),
}


@pytest.fixture(params=CLOCKS)
def clock(request) -> Clock:
    return CLOCKS[request.param]()


def test_time_goes_on_by_about_a_period_a_wait(clock):
    clock.reset()
    start = clock.now_ns()
    late = [clock.wait() for _ in range(10)]
    passed = (clock.now_ns() - start) * 1e-9
    assert 0.049 <= passed < 0.049 + 1.0 + sum(late)
    assert isinstance(clock.now_ns(), int)


def test_time_never_goes_back(clock):
    stamps = []
    for _ in range(20):
        clock.wait()
        stamps += [clock.now_ns(), clock.now_ns()]
    assert stamps == sorted(stamps)


def test_lateness_is_never_negative(clock):
    assert all(clock.wait() >= 0.0 for _ in range(5))


def test_it_names_itself_and_its_period(clock):
    assert clock.clock_id
    assert clock.period_s == 0.005


def test_after_a_reset_the_next_wait_is_not_late(clock):
    clock.reset(0)
    assert clock.wait() < 0.1
