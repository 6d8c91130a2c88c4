import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robolearn.core import errors
from robolearn.core.errors import RobolearnError, SpecError, nearest
from robolearn.core.types import Previous, Source, Step, last_step


def test_errors_say_where_what_and_what_to_do():
    error = SpecError("obs 'x'", expected="float32", got="uint8", fix="cast it")
    assert str(error) == "obs 'x': expected float32, got uint8; cast it"
    assert (error.where, error.expected, error.got, error.fix) == ("obs 'x'", "float32", "uint8", "cast it")
    assert str(SpecError("a", expected=1, got=2)) == "a: expected 1, got 2"


def test_every_deliberate_error_has_one_base():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert all(issubclass(kind, RobolearnError) for kind in kinds)
    assert issubclass(errors.StaleFrameError, errors.DriverError)
    assert issubclass(errors.CommandTimeoutError, errors.DriverError)


@given(st.text(max_size=8), st.lists(st.text("abc_", min_size=1, max_size=6), max_size=5, unique=True))
def test_hints_list_every_known_name_once(name, known):
    hint = nearest(name, known)
    if not known:
        assert hint == "none are known"
    else:
        listed = hint.split("known: ")[1].split(", ")
        assert sorted(listed) == sorted(known)
        assert hint.startswith(f"did you mean {listed[0]}?")


def test_the_nearest_name_comes_first():
    assert nearest("positon", ["q", "dq", "position", "yaw"]).startswith("did you mean position?")


def test_previous_of_a_fresh_episode():
    prev = Previous.start(3, 5)
    assert prev.executed.shape == (3, 5)
    assert prev.executed.dtype == np.float32
    assert prev.first.all()
    assert not prev.intervened.any()


@pytest.mark.parametrize("terminated", [True, False])
def test_the_last_row_holds_only_the_observation(terminated):
    step = Step(
        obs={"state/x": np.zeros(1, np.float32)},
        action=np.ones(2, np.float32),
        rewards={"task": 1.0, "bonus": 0.5},
        is_first=True,
        success=True,
        source=Source.DEMO,
        policy_version=4,
        extra={"log_prob": np.ones(1)},
    )
    obs = {"state/x": np.ones(1, np.float32)}
    last = last_step(step, obs, terminated)
    assert last.obs is obs
    assert (last.is_first, last.is_last, last.is_terminal, last.is_truncated) == (
        False,
        True,
        terminated,
        not terminated,
    )
    assert last.action.tolist() == [0.0, 0.0]
    assert last.rewards == {"task": 0.0, "bonus": 0.0}
    assert last.extra["log_prob"].tolist() == [0.0]
    assert (last.success, last.source, last.policy_version) == (True, Source.DEMO, 4)
