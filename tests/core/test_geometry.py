import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robolearn.core.geometry import (
    Pose,
    quat_conjugate,
    quat_from_rotvec,
    quat_multiply,
    quat_normalize,
    quat_rotate,
    quat_slerp,
    rotation_error,
    rotvec_from_quat,
)

vectors = st.tuples(*[st.floats(-2.0, 2.0)] * 3).map(np.array)
quats = (
    st.tuples(*[st.floats(-1.0, 1.0)] * 4)
    .filter(lambda q: math.hypot(*q) > 0.1)
    .map(lambda q: quat_normalize(np.array(q)))
)


def matrix(quat: np.ndarray) -> np.ndarray:
    """The rotation matrix from its textbook formula, an independent reference."""
    w, x, y, z = quat
    return np.array(
        [
            [w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z],
        ]
    )


@given(quats, quats, vectors)
def test_products_and_rotations_agree_with_matrices(left, right, vector):
    assert matrix(quat_multiply(left, right)) == pytest.approx(matrix(left) @ matrix(right), abs=1e-12)
    assert quat_rotate(left, vector) == pytest.approx(matrix(left) @ vector, abs=1e-12)
    assert matrix(quat_conjugate(left)) == pytest.approx(matrix(left).T, abs=1e-12)


@given(vectors)
def test_rotation_vectors_survive_the_round_trip(rotvec):
    rotvec = rotvec * (3.1 / 3.5)  # below pi
    assert rotvec_from_quat(quat_from_rotvec(rotvec)) == pytest.approx(rotvec, abs=1e-7)


@given(quats)
def test_the_shorter_arc_is_taken_whatever_the_sign(quat):
    assert np.linalg.norm(rotvec_from_quat(quat)) <= math.pi + 1e-12
    assert rotvec_from_quat(quat) == pytest.approx(rotvec_from_quat(-quat), abs=1e-9) or quat[0] == 0.0


def test_rotations_by_hand():
    quarter = quat_from_rotvec(np.array([0.0, 0.0, math.pi / 2]))
    assert quarter == pytest.approx([math.sqrt(0.5), 0, 0, math.sqrt(0.5)])
    assert quat_rotate(quarter, np.array([1.0, 0.0, 0.0])) == pytest.approx([0, 1, 0])
    assert rotvec_from_quat(quat_multiply(quarter, quarter)) == pytest.approx([0, 0, math.pi])
    assert quat_from_rotvec(np.zeros(3)).tolist() == [1.0, 0.0, 0.0, 0.0]
    tiny = np.array([1e-12, 0.0, 0.0])
    assert rotvec_from_quat(quat_from_rotvec(np.array([1e-8, 0.0, 0.0]))) == pytest.approx([1e-8, 0, 0])
    assert np.isfinite(quat_from_rotvec(tiny)).all()
    assert rotvec_from_quat(np.array([-1.0, 0.0, 0.0, 0.0])).tolist() == [0.0, 0.0, 0.0]


@given(quats, quats)
def test_rotation_error_turns_current_into_target(target, current):
    turned = quat_multiply(quat_from_rotvec(rotation_error(target, current)), current)
    assert matrix(turned) == pytest.approx(matrix(target), abs=1e-7)


@given(quats, quats, st.floats(0.0, 1.0))
def test_slerp_moves_at_constant_rate(start, end, fraction):
    middle = quat_slerp(start, end, fraction)
    whole = np.linalg.norm(rotation_error(end, start))
    assert np.linalg.norm(rotation_error(middle, start)) == pytest.approx(fraction * whole, abs=1e-7)
    assert matrix(quat_slerp(start, end, 1.0)) == pytest.approx(matrix(end), abs=1e-7)


@given(vectors, quats, vectors, quats, vectors)
def test_poses_compose_and_invert(p, q, r, s, point):
    outer, inner = Pose(p, q), Pose(r, s)
    both = outer @ inner
    through = outer.position + quat_rotate(outer.quat_wxyz, inner.position + quat_rotate(inner.quat_wxyz, point))
    assert both.position + quat_rotate(both.quat_wxyz, point) == pytest.approx(through, abs=1e-9)
    nothing = both @ both.inverse()
    assert nothing.position == pytest.approx(np.zeros(3), abs=1e-9)
    assert rotvec_from_quat(nothing.quat_wxyz) == pytest.approx(np.zeros(3), abs=1e-7)


def test_poses_are_arrays_of_seven_and_own_their_data():
    array = np.array([1.0, 2.0, 3.0, 1.0, 0.0, 0.0, 0.0])
    pose = Pose.from_array(array)
    array[0] = 9.0
    assert pose.to_array().tolist() == [1.0, 2.0, 3.0, 1.0, 0.0, 0.0, 0.0]


def test_nothing_edits_its_inputs():
    quat, vector = np.array([0.6, 0.8, 0.0, 0.0]), np.array([1.0, 2.0, 3.0])
    for call in (quat_conjugate, quat_normalize, rotvec_from_quat):
        call(quat)
    quat_rotate(quat, vector)
    quat_from_rotvec(vector)
    assert quat.tolist() == [0.6, 0.8, 0.0, 0.0]
    assert vector.tolist() == [1.0, 2.0, 3.0]
