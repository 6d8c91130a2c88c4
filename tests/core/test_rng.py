import json

import numpy as np
from gymnasium.utils.seeding import np_random
from hypothesis import given
from hypothesis import strategies as st

from robolearn.core.rng import (
    CHECK_SEEDS,
    EVAL_SEEDS,
    TRAIN_SEEDS,
    next_seed,
    rng_state,
    set_rng_state,
    spawn,
    train_seed,
)


def test_seed_ranges_do_not_overlap():
    assert (TRAIN_SEEDS.start, TRAIN_SEEDS.stop) == (0, 10_000)
    assert (CHECK_SEEDS.start, CHECK_SEEDS.stop) == (10_000, 20_000)
    assert EVAL_SEEDS.start == 20_000


def test_equal_purposes_give_equal_streams_and_others_do_not():
    draws = {path: tuple(spawn(7, *path).random(4)) for path in ((), (0,), (1,), (0, 1), (1, 0))}
    assert len(set(draws.values())) == len(draws)
    assert tuple(spawn(7, 0, 1).random(4)) == draws[0, 1]
    assert tuple(spawn(8, 0, 1).random(4)) != draws[0, 1]


@given(st.integers(0, 2**31), st.integers(0, 2**21), st.integers(0, 10**6))
def test_train_seeds_stay_in_their_range(run_seed, stream, episode):
    assert train_seed(run_seed, stream, episode) in TRAIN_SEEDS
    assert train_seed(run_seed, stream, episode) == train_seed(run_seed, stream, episode)


def test_train_seeds_differ_between_streams_and_episodes():
    seeds = {train_seed(0, stream, episode) for stream in range(3) for episode in range(30)}
    assert len(seeds) > 80


@given(st.integers(0, 2**32), st.integers(0, 50))
def test_a_generator_continues_from_its_saved_state(seed, skip):
    rng = spawn(seed)
    rng.integers(0, 10, skip, dtype=np.int32)  # leaves half a word behind
    saved = json.loads(json.dumps(rng_state(rng)))
    expected = rng.normal(size=5), rng.integers(0, 100, 5, dtype=np.int32)
    other = spawn(1)
    set_rng_state(other, saved)
    assert np.array_equal(other.normal(size=5), expected[0])
    assert np.array_equal(other.integers(0, 100, 5, dtype=np.int32), expected[1])


@given(st.integers(0, 2**61))
def test_an_episode_of_a_seed_is_that_of_the_seed_elsewhere_and_the_next_ones_are_others(seed):
    rng = np_random(seed)[0]
    first, *rest = [next_seed(rng) for _ in range(4)]
    assert first == seed
    assert len({first, *rest}) == 4
    again = np_random(seed)[0]
    assert [next_seed(again) for _ in range(4)] == [first, *rest]


def test_a_generator_that_was_not_seeded_gives_other_episodes():
    seeds = [next_seed(np_random(None)[0]) for _ in range(4)]
    assert len(set(seeds)) == 4
