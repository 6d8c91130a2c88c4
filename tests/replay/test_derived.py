"""Derived columns: computed once a row and version, in blocks, random copies, back after a restart."""

import numpy as np
import pytest

from robolearn.core.errors import SpecError
from robolearn.core.learning import BatchSpec, DerivedColumn, View
from robolearn.replay import Replay


class Features:
    """(N, copies, 3) = 10 * number + copy; counts the rows that it is asked for."""

    def __init__(self, copies=2):
        self.copies = copies
        self.calls = []

    def __call__(self, inputs):
        number = inputs["obs/proprio/arm.q"][:, 0]
        self.calls.append(number.astype(int).tolist())
        values = 10 * number[:, None] + np.arange(self.copies)
        return np.repeat(values[..., None], 3, axis=-1).astype(np.float32)

    @property
    def rows(self):
        return sum(map(len, self.calls))

    def column(self, version=0, **changes):
        fields = {"name": "feature", "fn": self, "inputs": ("obs/proprio/arm.q",), "shape": (3,), "version": version}
        return DerivedColumn(**{**fields, "copies": self.copies, **changes})


def rng(seed=0):
    return np.random.default_rng(seed)


def test_values_belong_to_their_rows_and_copies_vary(spec, episode):
    replay, features = Replay(spec, 100), Features(copies=3)
    replay.put(episode(30), 0)
    got = replay.sample(BatchSpec(size=500, n_step=2, derived=(features.column(),)), rng())
    copies = {}
    for side in ("", "next_"):
        value = got[f"{side}derived/feature"][:, 0].astype(int)
        assert (value // 10 == got[f"{side}obs/proprio/arm.q"][:, 0]).all()
        copies[side] = value % 10
        assert np.bincount(copies[side]).min() > 120
    assert 100 < (copies[""] == copies["next_"]).sum() < 240  # drawn on their own
    assert got["derived/feature"].dtype == np.float32
    assert got["derived/feature"].shape == (500, 3)


def test_each_row_is_computed_once_until_the_version_changes(spec, episode):
    replay, features = Replay(spec, 1000), Features()
    for k in range(10):
        replay.put(episode(20, 21 * k), 0)
    batch = BatchSpec(size=64, derived=(features.column(),))
    for seed in range(20):
        replay.sample(batch, rng(seed))
    assert features.rows == 210
    assert len(features.calls) == 1
    assert features.calls[0] != sorted(features.calls[0])  # those needed first, then the rest of the block
    replay.sample(BatchSpec(size=64, derived=(features.column(version=1),)), rng())
    assert features.rows == 420


def test_a_large_store_is_computed_as_it_is_needed(spec, episode):
    replay, features = Replay(spec, 3000), Features()
    for k in range(100):
        replay.put(episode(20, 21 * k), 0)
    replay.sample(BatchSpec(size=100, derived=(features.column(),)), rng())
    assert features.rows == 256
    for seed in range(100):
        replay.sample(BatchSpec(size=100, derived=(features.column(),)), rng(seed))
    assert 2000 < features.rows <= 2100
    assert max(map(len, features.calls)) <= 256


def test_an_overwritten_row_is_computed_anew(spec, episode):
    replay, features = Replay(spec, 12), Features()
    batch = BatchSpec(size=40, derived=(features.column(),))
    for k in range(8):
        replay.put(episode(6, 7 * k), k % 2)
        got = replay.sample(batch, rng(k))
        for side in ("", "next_"):
            number = got[f"{side}derived/feature"][:, 0].astype(int) // 10
            assert (number == got[f"{side}obs/proprio/arm.q"][:, 0]).all()


@pytest.mark.parametrize("view", [View.SEQUENCES, View.CHUNKS])
def test_other_views_have_them_too(spec, episode, view):
    replay, features = Replay(spec, 100), Features(copies=4)
    replay.put(episode(30), 0)
    got = replay.sample(BatchSpec(view=view, size=50, length=5, horizon=5, derived=(features.column(),)), rng())
    value = got["derived/feature"][..., 0].astype(int)
    assert (value // 10 == got["index"]).all()
    if view is View.SEQUENCES:
        assert (value % 10 == value[:, :1] % 10).all()
    assert len(np.unique(value % 10)) == 4


def test_a_column_of_the_wrong_kind_is_refused(spec, episode):
    replay, features = Replay(spec, 100), Features()
    replay.put(episode(3), 0)
    for column, message in (
        (features.column(inputs=("obs/proprio/arm.v",)), "did you mean obs/proprio/arm.q"),
        (features.column(shape=(4,)), r"expected float32 \(4, 2, 4\)"),
        (features.column(fn=lambda b: b["obs/proprio/arm.q"].astype(np.float64)), "got float64"),
    ):
        with pytest.raises(SpecError, match=message):
            replay.sample(BatchSpec(size=8, derived=(column,)), rng())


class Noisy(Features):
    """Random copies: the values depend on what was computed before, as augmentations do."""

    def __init__(self, seed):
        super().__init__()
        self.rng = rng(seed)

    def __call__(self, inputs):
        values = super().__call__(inputs)
        return values + self.rng.normal(size=values.shape).astype(np.float32)


def test_a_mark_brings_back_the_very_values(spec, episode, tmp_path):
    replay, features = Replay(spec, 300, directory=tmp_path / "store"), Noisy(1)
    for k in range(12):
        replay.put(episode(40, 100 * k), k % 2)
    batch = BatchSpec(size=32, derived=(features.column(),))
    replay.sample(batch, rng(0))
    mark, state = replay.mark(), features.rng.bit_generator.state
    expected = [replay.sample(batch, rng(seed))["derived/feature"] for seed in range(5)]
    replay.put(episode(40, 5000), 0)
    replay.sample(batch, rng(9))
    replay.mark()  # the run goes on and is killed before its next checkpoint is written
    replay.close()

    replay, features = Replay.open(tmp_path / "store", spec, 300), Noisy(2)
    replay.rollback(mark)
    features.rng.bit_generator.state = state
    batch = BatchSpec(size=32, derived=(features.column(),))
    for seed, values in enumerate(expected):
        assert (replay.sample(batch, rng(seed))["derived/feature"] == values).all()
    replay.close()
