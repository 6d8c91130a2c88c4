"""Hand-computed batches, what may not be stored, and what a full store gives up."""

import numpy as np
import pytest

from robolearn.core.errors import ConfigError, DataError, SpecError
from robolearn.core.learning import BatchSpec, View
from robolearn.core.specs import ArraySpec
from robolearn.core.types import Source
from robolearn.replay import Replay
from robolearn.replay.draw import shares


def by_index(batch, index):
    row = int(np.flatnonzero(batch["index"] == index)[0])
    return {key: value[row] for key, value in batch.items()}


def test_three_step_returns_by_hand(spec, numbered):
    replay = Replay(spec, 10)
    rewards = [1.0, 2.0, 4.0, 8.0]
    for t in range(5):
        step = numbered(t, is_first=t == 0, is_last=t == 4, is_terminal=t == 4)
        step.rewards = {"task": rewards[t] if t < 4 else 0.0}
        replay.add(step, 0)
    got = replay.sample(BatchSpec(size=100, n_step=3, discount=0.5), np.random.default_rng(0))
    expected = {  # start: return, discount, observation it bootstraps from
        0: (1 + 0.5 * 2 + 0.25 * 4, 0.125, 3),
        1: (2 + 0.5 * 4 + 0.25 * 8, 0.0, 4),
        2: (4 + 0.5 * 8, 0.0, 4),
        3: (8, 0.0, 4),
    }
    for index, (reward, discount, last) in expected.items():
        row = by_index(got, index)
        assert (row["reward"], row["discount"], row["next_obs/proprio/arm.q"][0]) == (reward, discount, last)
    assert got["reward"].dtype == got["discount"].dtype == np.float32


def test_a_time_limit_bootstraps_and_an_end_does_not(spec, episode):
    for terminal, discount in ((False, 0.99), (True, 0.0)):
        replay = Replay(spec, 10)
        replay.put(episode(1, terminal=terminal), 0)
        got = replay.sample(BatchSpec(size=4), np.random.default_rng(0))
        assert got["discount"] == pytest.approx(np.full(4, discount))
        assert (got["next_obs/proprio/arm.q"][:, 0] == 1).all()


def test_a_frame_is_stored_once_as_it_came(spec, episode):
    replay = Replay(spec, 1000)
    image, vector, action, reward = 48, 8, 8, 4
    assert replay.row_bytes == image + vector + action + reward + 34
    assert replay.nbytes <= 1000 * replay.row_bytes + 1000 * 8 + 4096
    replay.put(episode(5), 0)
    batch = replay.sample(BatchSpec(size=8), np.random.default_rng(0))
    assert batch["obs/pixels/front"].dtype == np.uint8


def test_demonstrations_stay_and_the_oldest_other_rows_go(spec, episode):
    replay = Replay(spec, 20)
    replay.put(episode(4, source=Source.DEMO), 0)
    for k in range(6):
        replay.put(episode(4, 100 * k), 1)
    replay.put(episode(4, 900, source=Source.DEMO), 0)
    assert len(replay) == 20
    assert replay.rows() == {"any": 16, "demo": 8, "online": 8, "intervention": 0, "success": 0}
    firsts = [int(next(iter(replay.iterate(e))).obs["proprio/arm.q"][0]) for e in replay.episodes()]
    assert firsts == [0, 400, 500, 900]


def test_demonstrations_alone_cannot_exceed_the_capacity(spec, episode):
    replay = Replay(spec, 8)
    replay.put(episode(7, source=Source.DEMO), 0)
    with pytest.raises(ConfigError, match="never dropped, got 8 rows; raise the replay capacity"):
        replay.put(episode(3), 1)
    assert replay.rows()["demo"] == 7


def test_episodes_are_read_back_as_they_came(spec, episode):
    extra = {"base_action": ArraySpec((2,), "float32")}
    replay = Replay(spec, 50, rewards=("task", "bonus"), extra=extra)
    one, two = episode(4, 10), episode(6, 60, terminal=False)
    one[2].extra = {"base_action": np.array([0.5, -0.5], np.float32), "unknown": np.zeros(3)}
    one[2].policy_version, one[2].stamp_ns, one[2].success = 7, 123456789012345, True
    for step in one[:3]:
        replay.add(step, 0)
    replay.put(two, 1)
    replay.put(one[3:], 0)
    replay.put(episode(3, 90)[:2], 2)
    assert len(replay.episodes()) == 2
    for ident, steps in zip(replay.episodes(), (one, two), strict=True):
        for got, want in zip(replay.iterate(ident), steps, strict=True):
            assert all((got.obs[key] == want.obs[key]).all() for key in want.obs)
            assert (got.action == want.action).all()
            assert got.rewards == want.rewards
            for name in ("is_first", "is_last", "is_terminal", "is_truncated", "success", "source", "policy_version"):
                assert getattr(got, name) == getattr(want, name)
    third = list(replay.iterate(replay.episodes()[0]))[2]
    assert third.extra["base_action"].tolist() == [0.5, -0.5]
    assert third.stamp_ns == 123456789012345


def test_extra_columns_reach_every_view(spec, episode):
    replay = Replay(spec, 50, extra={"base_action": ArraySpec((2,), "float32")})
    steps = episode(6)
    for t, step in enumerate(steps):
        step.extra = {"base_action": np.full(2, t, np.float32)}
    replay.put(steps, 0)
    for view in View:
        got = replay.sample(BatchSpec(view=view, size=9, length=3, horizon=3), np.random.default_rng(0))
        assert (got["extra/base_action"][..., 0] == got["index"]).all()


def test_a_batch_keeps_its_values_while_someone_holds_it(spec, episode):
    big = ArraySpec((64, 64, 3), "uint8")
    spec = type(spec)(obs={"pixels/front": big}, action=spec.action, rate_hz=10, max_steps=10)
    replay = Replay(spec, 50)
    for step in episode(20):
        step.obs = {"pixels/front": np.full((64, 64, 3), int(step.obs["proprio/arm.q"][0]), np.uint8)}
        replay.add(step, 0)
    rng = np.random.default_rng(0)
    held = [replay.sample(BatchSpec(size=32), rng)["next_obs/pixels/front"] for _ in range(12)]
    copies = [np.array(batch) for batch in held]
    addresses = {batch.ctypes.data for batch in held}
    assert len(addresses) == 12
    for _ in range(5):
        replay.sample(BatchSpec(size=32), rng)
    assert all((a == b).all() for a, b in zip(held, copies, strict=True))
    del held
    again = {replay.sample(BatchSpec(size=32), rng)["next_obs/pixels/front"].ctypes.data for _ in range(5)}
    assert len(again) <= 2  # its memory is used again


def test_columns_limit_what_is_gathered(spec, episode):
    replay = Replay(spec, 50)
    replay.put(episode(6), 0)
    got = replay.sample(BatchSpec(size=4, columns=("proprio/arm.q",)), np.random.default_rng(0))
    assert "obs/pixels/front" not in got
    assert "next_obs/proprio/arm.q" in got
    with pytest.raises(SpecError, match=r"did you mean proprio/arm\.q"):
        replay.sample(BatchSpec(size=4, columns=("proprio/arm.v",)), np.random.default_rng(0))


def test_a_mixture_is_exact(spec, episode):
    replay = Replay(spec, 500)
    replay.put(episode(3, source=Source.DEMO), 0)
    replay.put(episode(200), 1)
    for size in (7, 8, 255, 256):
        got = replay.sample(BatchSpec(size=size, mix={"demo": 0.5, "online": 0.5}), np.random.default_rng(0))
        assert got["is_demo"].sum() == (size + 1) // 2
        assert (np.diff(got["is_demo"]) <= 0).all()


def test_shares_go_to_those_that_have_something():
    have = {"any": 9, "demo": 4, "online": 5, "intervention": 0, "success": 0}
    assert shares({"demo": 0.25, "online": 0.5, "intervention": 0.25}, have, 9) == {"demo": 3, "online": 6}
    assert shares({"any": 1.0}, have, 10) == {"any": 10}
    assert shares({"demo": 0.25, "online": 0.75}, have, 5) == {"demo": 1, "online": 4}
    third = {"any": 1 / 3, "demo": 1 / 3, "online": 1 / 3}
    assert sum(shares(third, have, 256).values()) == 256
    assert shares({"demo": 1.0, "online": 0.0}, have, 4) == {"demo": 4}


def test_drawing_is_uniform(spec, episode):
    replay = Replay(spec, 200)
    replay.put(episode(30, source=Source.DEMO), 0)
    for k in range(4):
        replay.put(episode(5 + 10 * k, 100), 1)
    n = replay.rows()["any"]
    got = replay.sample(BatchSpec(size=n * 400), np.random.default_rng(0))
    counts = np.unique(got["index"], return_counts=True)[1]
    assert len(counts) == n
    chi_squared = ((counts - 400.0) ** 2 / 400.0).sum()
    assert chi_squared < n + 4 * np.sqrt(2 * n)


def test_rare_windows_are_found(spec, episode):
    """One window of 40 steps among hundreds of short episodes' starts, and a group without any full window."""
    replay = Replay(spec, 3000)
    for k in range(400):
        replay.put(episode(4, 10 * k), k % 3)
    steps = episode(6)
    steps[5].intervened = True
    replay.put(steps, 0)
    got = replay.sample(
        BatchSpec(view=View.SEQUENCES, size=64, length=5, mix={"intervention": 1.0}), np.random.default_rng(0)
    )
    assert (got["obs/proprio/arm.q"][:, 0, 0] == 5).all()
    assert (got["mask"] == [1, 1, 0, 0, 0]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"obs": {}}, "step obs 'pixels/front': expected present, got missing"),
        ({"action": np.zeros(3, np.float32)}, r"step action: expected float32 \(2,\), got float32 \(3,\)"),
        ({"action": np.zeros(2)}, "got float64"),
        ({"action": np.array([np.nan, 0], np.float32)}, "expected finite numbers"),
        ({"rewards": {}}, "step reward 'task': expected present"),
        ({"rewards": {"task": float("inf")}}, "expected a finite number"),
        ({"rewards": {"task": 1e300}}, "expected a finite number"),
        ({"is_terminal": True}, "only with is_last"),
        ({"source": Source.DEMO}, "mark the whole episode as a demonstration"),
    ],
)
def test_a_step_that_does_not_fit_is_refused_and_leaves_nothing(spec, numbered, change, message):
    replay = Replay(spec, 10)
    replay.add(numbered(0, is_first=True), 0)
    step = numbered(1)
    for name, value in change.items():
        setattr(step, name, value)
    with pytest.raises(SpecError, match=message):
        replay.add(step, 0)
    replay.add(numbered(1), 0)
    assert len(replay) == 2
    assert replay.rows()["any"] == 1


def test_channel_first_images_are_named(spec, numbered):
    step = numbered(0, is_first=True)
    step.obs = {**step.obs, "pixels/front": np.zeros((3, 4, 4), np.uint8)}
    with pytest.raises(SpecError, match=r"pixels/front.*\(4, 4, 3\), got uint8 \(3, 4, 4\)"):
        Replay(spec, 10).add(step, 0)


def test_nonsense_requests_are_refused(spec, episode):
    with pytest.raises(DataError, match="collect or load steps"):
        Replay(spec, 10).sample(BatchSpec(), np.random.default_rng(0))
    with pytest.raises(SpecError, match="'task' among them"):
        Replay(spec, 10, rewards=("bonus",))
    with pytest.raises(ConfigError, match="at least 2 rows"):
        Replay(spec, 1)
    with pytest.raises(ConfigError, match="lower the capacity"):
        Replay(spec, 10**12)
    replay = Replay(spec, 10)
    replay.put(episode(5), 0)
    for batch, message in (
        (BatchSpec(mix={"demos": 1.0}), "did you mean demo"),
        (BatchSpec(n_step=0), "n_step: expected at least 1"),
        (BatchSpec(view=View.SEQUENCES, length=0), "length: expected at least 1"),
    ):
        with pytest.raises(SpecError, match=message):
            replay.sample(batch, np.random.default_rng(0))


def test_going_back_to_where_one_is_changes_nothing(spec, episode):
    replay = Replay(spec, 20)
    for k in range(7):
        replay.put(episode(5, 10 * k), k % 2)
    before = replay.sample(BatchSpec(size=64), np.random.default_rng(0))
    replay.rollback(replay.mark())
    after = replay.sample(BatchSpec(size=64), np.random.default_rng(0))
    assert all((before[key] == after[key]).all() for key in before)
    replay.put(episode(5, 90), 0)
    assert min(replay.sample(BatchSpec(size=200), np.random.default_rng(0))["index"]) == 48 - 20


def test_in_memory_a_mark_is_lost_once_its_rows_are_overwritten(spec, episode):
    replay = Replay(spec, 20)
    replay.put(episode(10), 0)
    mark = replay.mark()
    replay.put(episode(5), 0)
    replay.rollback(mark)
    assert len(replay) == 11
    replay.put(episode(15), 0)
    with pytest.raises(DataError, match="give replay a directory"):
        replay.rollback(mark)
