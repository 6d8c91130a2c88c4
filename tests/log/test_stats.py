"""Wilson intervals against numbers worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robolearn.log.stats import wilson


def test_against_hand_computed_numbers() -> None:
    # 81 of 263, z = 1.96: the example of Newcombe (1998), table I, method 3
    low, high = wilson(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    # 5 of 10, z = 2: centre 1/2, half width 2 sqrt(1/40 + 1/100) / 1.4 = 0.26726
    assert wilson(5, 10, z=2.0) == pytest.approx((0.5 - 0.267261, 0.5 + 0.267261), abs=1e-6)
    # 0 of n: [0, z^2 / (n + z^2)]
    assert wilson(0, 10, z=2.0) == (0.0, pytest.approx(4 / 14))
    assert wilson(10, 10, z=2.0) == (pytest.approx(10 / 14), 1.0)


def test_nothing_is_known_without_episodes() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_holds_the_rate_within_0_and_1(case: tuple[int, int]) -> None:
    successes, n = case
    low, high = wilson(successes, n)
    assert 0.0 <= low <= successes / n <= high <= 1.0
    mirrored = wilson(n - successes, n)
    assert mirrored == pytest.approx((1 - high, 1 - low))
