"""Rigid poses and unit quaternions (w, x, y, z), in float64 NumPy; angles in rad, lengths in m."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


@dataclass(slots=True, frozen=True)
class Pose:
    """A frame seen from another: `pose_tool_in_base` maps tool coordinates to base coordinates."""

    position: Vector
    """(3,) m."""
    quat_wxyz: Vector
    """(4,) unit quaternion, scalar first."""

    @classmethod
    def from_array(cls, array: Vector) -> "Pose":
        """Build from (7,) = position (3,) and quat_wxyz (4,)."""
        return cls(array[:3].copy(), array[3:7].copy())

    def to_array(self) -> Vector:
        """Return (7,) = position (3,) and quat_wxyz (4,)."""
        return np.concatenate([self.position, self.quat_wxyz])

    def __matmul__(self, inner: "Pose") -> "Pose":
        """Compose: `a_in_c = b_in_c @ a_in_b`."""
        return Pose(
            self.position + quat_rotate(self.quat_wxyz, inner.position),
            quat_multiply(self.quat_wxyz, inner.quat_wxyz),
        )

    def inverse(self) -> "Pose":
        """Return the pose of the outer frame seen from the inner one."""
        inverse = quat_conjugate(self.quat_wxyz)
        return Pose(-quat_rotate(inverse, self.position), inverse)


def quat_conjugate(quat_wxyz: Vector) -> Vector:
    """Return the inverse of a unit quaternion."""
    return quat_wxyz * _CONJUGATE


def quat_multiply(left_wxyz: Vector, right_wxyz: Vector) -> Vector:
    """Return the Hamilton product: rotate by `right` first, then by `left`."""
    w1, x1, y1, z1 = left_wxyz.tolist()
    w2, x2, y2, z2 = right_wxyz.tolist()
    return np.array(
        [
            w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2,
            w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2,
            w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2,
            w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2,
        ]
    )


def quat_rotate(quat_wxyz: Vector, vector: Vector) -> Vector:
    """Rotate a vector (3,) by a unit quaternion."""
    w, x, y, z = quat_wxyz.tolist()
    a, b, c = vector.tolist()
    tx, ty, tz = 2.0 * (y * c - z * b), 2.0 * (z * a - x * c), 2.0 * (x * b - y * a)
    return np.array(
        [a + w * tx + y * tz - z * ty, b + w * ty + z * tx - x * tz, c + w * tz + x * ty - y * tx],
    )


def quat_from_rotvec(rotvec: Vector) -> Vector:
    """Return the unit quaternion of a rotation vector (3,): axis times angle.

    >>> quat_from_rotvec(np.array([0.0, 0.0, np.pi])).round(6).tolist()
    [0.0, 0.0, 0.0, 1.0]
    """
    x, y, z = rotvec.tolist()
    angle = math.sqrt(x * x + y * y + z * z)
    scale = 0.5 if angle < 1e-9 else math.sin(0.5 * angle) / angle
    return np.array([math.cos(0.5 * angle), scale * x, scale * y, scale * z])


def rotvec_from_quat(quat_wxyz: Vector) -> Vector:
    """Return the rotation vector (3,) of the shorter arc, norm in [0, pi]."""
    w, x, y, z = quat_wxyz.tolist()
    norm = math.sqrt(x * x + y * y + z * z)
    if norm < 1e-12:
        return np.zeros(3)
    angle = 2.0 * math.atan2(norm, abs(w))
    scale = math.copysign(angle / norm, w) if w != 0.0 else angle / norm
    return np.array([scale * x, scale * y, scale * z])


def quat_slerp(start_wxyz: Vector, end_wxyz: Vector, fraction: float) -> Vector:
    """Interpolate along the shorter arc; `fraction` 0 gives `start`, 1 gives `end` (up to sign)."""
    rotvec = rotvec_from_quat(quat_multiply(end_wxyz, quat_conjugate(start_wxyz)))
    return quat_multiply(quat_from_rotvec(fraction * rotvec), start_wxyz)


def quat_normalize(quat_wxyz: Vector) -> Vector:
    """Return `quat_wxyz` scaled to unit length."""
    return quat_wxyz / math.sqrt(float(quat_wxyz @ quat_wxyz))


def rotation_error(target_wxyz: Vector, current_wxyz: Vector) -> Vector:
    """Return the rotation vector (3,), in the outer frame, that turns `current` into `target`."""
    return rotvec_from_quat(quat_multiply(target_wxyz, quat_conjugate(current_wxyz)))


_CONJUGATE = np.array([1.0, -1.0, -1.0, -1.0])
_CONJUGATE.setflags(write=False)
