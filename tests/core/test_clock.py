import pytest
from hypothesis import given
from hypothesis import strategies as st

from robolearn.core.clock import Every, Ratio, SimClock, Until, WallClock
from robolearn.core.errors import ConfigError


class FakeTime:
    """A monotonic clock whose sleeps may overrun."""

    def __init__(self) -> None:
        self.ns = 1_000_000_000
        self.slept: list[float] = []

    def now(self) -> int:
        return self.ns

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.ns += round(seconds * 1e9)

    def work(self, seconds: float) -> None:
        self.ns += round(seconds * 1e9)


def test_sim_clock_advances_the_world_by_whole_periods():
    moved = []
    clock = SimClock(0.02, moved.append)
    assert [clock.wait() for _ in range(3)] == [0.0, 0.0, 0.0]
    assert moved == [0.02] * 3
    assert clock.now_ns() == 60_000_000
    clock.reset(5)
    assert clock.now_ns() == 5
    assert clock.clock_id == "sim"


def test_sim_clock_does_not_drift():
    clock = SimClock(1 / 30, lambda _: None)
    for _ in range(3000):
        clock.wait()
    assert clock.now_ns() == pytest.approx(100e9, rel=1e-8)


def test_wall_clock_keeps_an_absolute_schedule():
    time = FakeTime()
    clock = WallClock(0.1, time.now, time.sleep)
    for work in (0.03, 0.09, 0.0):
        time.work(work)
        assert clock.wait() == 0.0
    assert time.slept == pytest.approx([0.07, 0.01, 0.1])
    assert clock.now_ns() == 1_300_000_000
    assert clock.misses == 0


def test_a_short_lateness_is_made_up_for():
    time = FakeTime()
    clock = WallClock(0.1, time.now, time.sleep)
    time.work(0.14)
    assert clock.wait() == pytest.approx(0.04)
    assert clock.misses == 1
    assert clock.wait() == 0.0
    assert time.slept == pytest.approx([0.06])  # the schedule is where it was


def test_a_long_hiccup_leads_to_no_burst():
    time = FakeTime()
    clock = WallClock(0.1, time.now, time.sleep)
    time.work(2.0)
    assert clock.wait() == pytest.approx(1.9)
    assert clock.wait() == 0.0
    assert clock.misses == 1
    assert time.slept == pytest.approx([0.1])


def test_a_reset_restarts_the_schedule():
    time = FakeTime()
    clock = WallClock(0.1, time.now, time.sleep)
    time.work(50.0)
    clock.reset()
    assert clock.wait() == 0.0
    assert time.slept == pytest.approx([0.1])


@pytest.mark.parametrize("period", [0.0, -0.1, float("nan"), float("inf")])
def test_a_period_must_be_positive_and_finite(period):
    with pytest.raises(ConfigError, match="clock period"):
        SimClock(period, lambda _: None)
    with pytest.raises(ConfigError, match="clock period"):
        WallClock(period)


@given(st.integers(1, 50), st.lists(st.integers(0, 30), min_size=1, max_size=60))
def test_every_fires_once_per_interval_that_is_crossed(interval, gaps):
    every, count, fired = Every(interval), 0, []
    for gap in gaps:
        before, count = count, count + gap
        if every(count):
            fired.append(count)
            assert count // interval > before // interval
        else:
            assert count // interval == before // interval
    assert len(fired) <= count // interval


def test_every_can_be_switched_off():
    assert not any(Every(0)(count) for count in range(100))


def test_until_counts_to_its_limit_or_for_ever():
    assert [Until(2)(count) for count in (0, 1, 2, 3)] == [True, True, False, False]
    assert Until(0)(10**12)


@given(st.floats(0.01, 8.0), st.integers(1, 300))
def test_ratio_is_exact_in_the_long_run(ratio, steps):
    counter = Ratio(ratio)
    done = sum(counter(step) for step in range(1, steps + 1))
    assert done == int(steps * ratio)
