"""Rows of replay, executed actions, resets and exact continuation of a rollout."""

import numpy as np
import pytest
from toy import CountEnv, NoisePolicy, count_envs

from robolearn.core.rng import spawn
from robolearn.core.types import Mode, Source
from robolearn.run.rollout import Rollout


def roll(size: int = 2, rng_seed: int = 0, policy: NoisePolicy | None = None) -> Rollout:
    return Rollout(
        count_envs(size),
        policy or NoisePolicy(),
        mode=Mode.EXPLORE,
        rng=spawn(rng_seed),
        seed_of=lambda row, episode: 10 * row + episode,
    )


def collect(rollout: Rollout, steps: int):
    rows, ends = {}, []
    for _ in range(steps):
        tick = rollout.step()
        ends += tick.ended
        for stream, new in tick.steps.items():
            rows.setdefault(stream, []).extend(new)
    return rows, ends


def test_episode_of_t_actions_has_t_plus_1_rows_and_its_edges_are_right():
    rows, ends = collect(roll(), 30)
    for stream, steps in rows.items():
        seeds = [int(s.obs["state/x"][0]) for s in steps]
        for seed in sorted(set(seeds))[:-1]:
            episode = [s for s in steps if s.obs["state/x"][0] == seed]
            expected = 3 + seed % 3 if seed % 2 == 0 else 7
            assert len(episode) == expected + 1
            assert [int(s.obs["state/x"][1]) for s in episode] == list(range(expected + 1))
            assert [s.is_first for s in episode] == [True] + [False] * expected
            assert [s.is_last for s in episode] == [False] * expected + [True]
            assert episode[-1].is_terminal == (seed % 2 == 0)
            assert episode[-1].is_truncated == (seed % 2 == 1)
            assert sum(s.rewards["task"] for s in episode) == float(seed % 2 == 0)
        assert seeds[0] == 10 * stream
    assert all(end.success == (end.seed % 2 == 0) for end in ends)
    assert all(end.length == (3 + end.seed % 3 if end.success else 7) for end in ends)


def test_rows_hold_the_executed_action_and_its_source():
    rows, _ = collect(roll(1), 4)
    first = rows[0]
    assert all(abs(s.action[0]) <= 0.5 for s in first)
    assert [s.intervened for s in first[:3]] == [False, True, False]
    assert first[1].source is Source.INTERVENTION
    assert first[0].source is Source.ONLINE


def test_policy_is_told_what_was_executed_and_which_rows_start():
    policy = NoisePolicy()
    rollout = roll(1, policy=policy)
    rows, _ = collect(rollout, 6)
    first, executed, intervened = zip(*policy.seen, strict=True)
    assert [bool(f[0]) for f in first] == [True, False, False, True, False, False]
    actions = [s.action[0] for s in rows[0] if not s.is_last]
    assert executed[1][0, 0] == actions[0]
    assert executed[3][0, 0] == 0.0  # a new episode starts from nothing
    assert [bool(i[0]) for i in intervened] == [False, False, True, False, False, True]


def test_a_row_is_not_reset_before_its_next_step(monkeypatch):
    seeds, reset = [], CountEnv.reset
    monkeypatch.setattr(CountEnv, "reset", lambda env, **words: seeds.append(words["seed"]) or reset(env, **words))
    rollout = roll()
    assert len(collect(rollout, 3)[1]) == 1
    assert seeds == [0, 10]
    assert rollout.step_needed()
    assert rollout.step_needed()
    assert seeds == [0, 10, 1]
    collect(rollout, 1)
    assert seeds == [0, 10, 1]


@pytest.mark.parametrize("before", [0, 1, 3, 4, 5, 10])
def test_restore_goes_on_bit_for_bit(before):
    straight = roll()
    collect(straight, before)
    saved = straight.save()
    expected, ended = collect(straight, 20)
    resumed = roll(rng_seed=99)
    resumed.restore(saved)
    got, ended_too = collect(resumed, 20)
    assert ended_too == ended
    for stream, steps in expected.items():
        for mine, other in zip(got[stream], steps, strict=True):
            assert np.array_equal(mine.action, other.action)
            assert np.array_equal(mine.obs["state/x"], other.obs["state/x"])
            assert (mine.is_first, mine.is_last, mine.is_terminal) == (other.is_first, other.is_last, other.is_terminal)
