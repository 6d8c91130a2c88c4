"""The bad network: each kind of trouble by itself, by its numbers; a seed repeats all of it."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robolearn.core.errors import ConfigError
from robolearn.hardware.bridge.chaos import ChaosConfig, Scrambler

MS = 1_000_000


def pass_on(cfg: ChaosConfig, count: int = 400, every_ns: int = 10 * MS) -> tuple[list[tuple[int, bytes]], Scrambler]:
    """Send numbered messages and return what arrives when, checked each ms."""
    scrambler, arrived = Scrambler(cfg), []
    for now in range(0, (count + 200) * every_ns, MS):
        if now % every_ns == 0 and now // every_ns < count:
            scrambler.push(b"%06d" % (now // every_ns), now)
        arrived += [(now, message) for message in scrambler.pop(now)]
    return arrived, scrambler


def numbers(arrived) -> list[int]:
    return [int(message) for _, message in arrived]


def test_without_trouble_everything_passes_at_once_and_in_order():
    arrived, _ = pass_on(ChaosConfig())
    assert numbers(arrived) == list(range(400))
    assert all(now == 10 * MS * number for (now, _), number in zip(arrived, range(400), strict=True))


def test_each_kind_of_trouble_is_as_frequent_as_asked_for_and_counted():
    arrived, lossy = pass_on(ChaosConfig(drop=0.3))
    assert len(arrived) == 400 - lossy.tally.dropped
    assert 80 < lossy.tally.dropped < 160
    arrived, double = pass_on(ChaosConfig(duplicate=0.2))
    assert len(arrived) == 400 + double.tally.duplicated > 440
    arrived, swapped = pass_on(ChaosConfig(reorder=0.2))
    assert sorted(numbers(arrived)) == list(range(400)) != numbers(arrived)
    assert swapped.tally.reordered > 40
    arrived, damaged = pass_on(ChaosConfig(corrupt=0.25))
    changed = sum(message != b"%06d" % number for number, (_, message) in enumerate(arrived))
    assert 60 < damaged.tally.corrupted < 140
    assert changed <= damaged.tally.corrupted


def test_delay_and_jitter_are_bounds_and_a_freeze_keeps_everything():
    arrived, _ = pass_on(ChaosConfig(delay_s=0.02, jitter_s=0.03))
    late = [now - 10 * MS * int(message) for now, message in arrived]
    assert min(late) >= 20 * MS
    assert max(late) <= 51 * MS
    assert max(late) - min(late) > 20 * MS
    arrived, frozen = pass_on(ChaosConfig(freeze=0.01, freeze_s=0.3))
    assert numbers(arrived) == list(range(400))
    assert frozen.tally.frozen > 0
    gaps = [b[0] - a[0] for a, b in itertools.pairwise(arrived)]
    assert max(gaps) >= 290 * MS


@given(st.integers(0, 2**31), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_seed_repeats_all_of_it(seed, drop, reorder, corrupt):
    cfg = ChaosConfig(seed=seed, drop=drop, reorder=reorder, corrupt=corrupt, duplicate=0.1, jitter_s=0.02)
    assert pass_on(cfg, 20)[0] == pass_on(cfg, 20)[0]


def test_impossible_trouble_is_refused():
    with pytest.raises(ConfigError, match=r"chaos\.drop"):
        ChaosConfig(drop=1.5)
    with pytest.raises(ConfigError, match="0 s or more"):
        ChaosConfig(delay_s=-1.0)
