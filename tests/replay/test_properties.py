"""Whatever streams, gaps, ends and wrap-arounds there are: what is drawn is what a naive model holds."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robolearn.core.learning import BatchSpec, View
from robolearn.core.types import Source
from robolearn.replay import Replay

GAMMA = 0.9
RELAXED = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


MOST_DEMOS = 12


@st.composite
def histories(draw, numbered):
    """(stream, step | None) in arrival order: up to four streams, whole, cut, dropped and unfinished episodes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    streams = draw(st.integers(1, 4))
    drop, end = draw(st.sampled_from([0.0, 0.1, 0.3])), draw(st.sampled_from([0.05, 0.2, 0.5]))
    demo_episode, demos = {}, 0
    history = []
    for number in range(draw(st.integers(1, 150))):
        stream = int(rng.integers(streams))
        if rng.random() < drop:
            kind = rng.integers(3)
            if kind != 0:  # else the episode is given up in silence
                history.append((stream, None))
            if kind != 1:  # else what follows the gap is a step in mid-episode
                demo_episode.pop(stream, None)
        is_first = stream not in demo_episode
        is_demo = demo_episode.setdefault(stream, bool(demos < MOST_DEMOS and rng.random() < 0.3))
        demos += is_demo
        is_last = bool(rng.random() < end or (is_demo and demos >= MOST_DEMOS))
        terminal = bool(is_last and rng.random() < 0.5)
        online = Source.INTERVENTION if rng.random() < 0.2 else Source.ONLINE
        step = numbered(
            number,
            is_first=is_first,
            is_last=is_last,
            is_terminal=terminal,
            is_truncated=is_last and not terminal,
            intervened=bool(rng.random() < 0.1),
            success=bool(rng.random() < 0.1),
            source=Source.DEMO if is_demo else online,
        )
        history.append((stream, step))
        if is_last:
            del demo_episode[stream]
    return history


@pytest.fixture
def both(spec, oracle, run):
    def fill(history, capacity):
        replay, naive = Replay(spec, capacity, rewards=("task", "bonus")), oracle(capacity)
        run(replay, history)
        run(naive, history)
        return replay, naive

    return fill


@pytest.fixture
def drawn(numbered):
    return lambda data: data.draw(histories(numbered))


@RELAXED
@given(data=st.data(), capacity=st.sampled_from([16, 33, 300]), n_step=st.integers(1, 6))
def test_transitions_are_those_of_the_model(both, drawn, data, capacity, n_step):
    replay, naive = both(drawn(data), capacity)
    for group in ("any", "demo", "online", "intervention"):
        starts = naive.starts(group)
        assert replay.rows()[group] == len(starts)
        if not starts:
            continue
        batch = BatchSpec(size=400, n_step=n_step, discount=GAMMA, mix={group: 1.0})
        got = replay.sample(batch, np.random.default_rng(0))
        assert set(got["index"].tolist()) <= set(starts)
        if len(starts) < 40:
            assert set(got["index"].tolist()) == set(starts)
        for i in range(0, 400, 3):
            path = naive.path(starts[int(got["index"][i])], n_step)
            first, last, k = path[0], path[-1], len(path) - 1
            assert got["obs/proprio/arm.q"][i].tolist() == [first.number, -first.number]
            assert (got["obs/pixels/front"][i] == first.number % 256).all()
            assert got["next_obs/proprio/arm.q"][i, 0] == last.number
            assert (got["next_obs/pixels/front"][i] == last.number % 256).all()
            assert (got["action"][i] == first.step.action).all()
            for key, name in (("reward", "task"), ("reward/bonus", "bonus")):
                expected = sum(GAMMA**j * row.step.rewards[name] for j, row in enumerate(path[:-1]))
                assert got[key][i] == pytest.approx(expected, rel=1e-5)
            assert got["discount"][i] == pytest.approx(0.0 if last.step.is_terminal else GAMMA**k, rel=1e-5)
            assert got["is_demo"][i] == (first.step.source is Source.DEMO)
            assert got["intervened"][i] == (first.step.intervened or first.step.source is Source.INTERVENTION)
            assert got["success"][i] == first.step.success


@RELAXED
@given(data=st.data(), capacity=st.sampled_from([16, 300]), length=st.integers(1, 9))
def test_sequences_are_those_of_the_model(both, drawn, data, capacity, length):
    replay, naive = both(drawn(data), capacity)
    starts = naive.starts()
    if not starts:
        return
    allowed = {i for i, r in starts.items() if len(naive.path(r, length - 1)) == length or r.before is None}
    batch = BatchSpec(view=View.SEQUENCES, size=300, length=length)
    got = replay.sample(batch, np.random.default_rng(0))
    seen = set(got["index"][:, 0].tolist())
    assert seen <= allowed
    if len(allowed) < 30:
        assert seen == allowed
    for i in range(0, 300, 5):
        path = naive.path(starts[int(got["index"][i, 0])], length - 1)
        mask = [1.0] * len(path) + [0.0] * (length - len(path))
        assert got["mask"][i].tolist() == mask
        for t, row in enumerate(path):
            assert got["obs/proprio/arm.q"][i, t, 0] == row.number
            assert got["reward"][i, t] == row.step.rewards["task"]
            flags = (row.step.is_first, row.step.is_last, row.step.is_terminal, row.step.is_truncated)
            names = ("is_first", "is_last", "is_terminal", "is_truncated")
            assert tuple(bool(got[name][i, t]) for name in names) == flags


@RELAXED
@given(data=st.data(), capacity=st.sampled_from([16, 300]), horizon=st.integers(1, 8))
def test_chunks_are_those_of_the_model(both, drawn, data, capacity, horizon):
    replay, naive = both(drawn(data), capacity)
    starts = naive.starts()
    if not starts:
        return
    batch = BatchSpec(view=View.CHUNKS, size=200, horizon=horizon)
    got = replay.sample(batch, np.random.default_rng(0))
    for i in range(0, 200, 5):
        path = naive.path(starts[int(got["index"][i])], horizon - 1)
        actions = [row.step.action for row in path if not row.step.is_last]
        assert got["obs/proprio/arm.q"][i, 0] == path[0].number
        assert got["mask"][i].tolist() == [1.0] * len(actions) + [0.0] * (horizon - len(actions))
        padded = actions + [actions[-1]] * (horizon - len(actions))
        assert (got["action"][i] == np.array(padded)).all()


@settings(RELAXED, max_examples=25)
@given(data=st.data(), capacity=st.sampled_from([16, 40, 300]))
def test_going_back_to_a_mark_forgets_what_came_after(spec, run, drawn, data, capacity, tmp_path_factory):
    before, after = drawn(data), drawn(data)
    split = data.draw(st.integers(0, len(before)))
    # Demonstrations are never dropped, so the second half may hold none.
    after = [(s, x) for s, x in after if x is None or x.source is not Source.DEMO]
    directory = tmp_path_factory.mktemp("store") / "replay"
    replay = Replay(spec, capacity, directory=directory)
    run(replay, before[:split])
    mark, at_mark = replay.mark(), _batches(replay)
    run(replay, before[split:])
    expected, rows, episodes = _batches(replay), replay.rows(), replay.episodes()
    replay.rollback(mark)
    _same(_batches(replay), at_mark)
    run(replay, after)
    replay.flush()
    replay.close()

    again = Replay.open(directory, spec, capacity)
    again.rollback(mark)
    run(again, before[split:])
    assert again.rows() == rows
    assert again.episodes() == episodes
    _same(_batches(again), expected)
    again.close()


def _batches(replay):
    if not replay.rows()["any"]:
        return []
    rng = np.random.default_rng(5)
    specs = [
        BatchSpec(size=64, n_step=3),
        BatchSpec(view=View.SEQUENCES, size=16, length=4),
        BatchSpec(view=View.CHUNKS, size=16, horizon=4),
    ]
    return [replay.sample(spec, rng) for spec in specs]


def _same(left, right):
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            assert np.array_equal(one[key], other[key]), key
