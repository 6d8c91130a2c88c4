"""The mirror image of observations and actions: what changes sign, what changes places, and what is refused."""

import numpy as np
import pytest

from robolearn.core.errors import ConfigError
from robolearn.core.mirror import Mirror
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, ArraySpec, EnvSpec, Frame
from robolearn.core.types import INTENDED, Step

IMAGE = ArraySpec(shape=(4, 6, 3), dtype="uint8", low=0.0, high=255.0)


def _vector(size: int) -> ArraySpec:
    return ArraySpec(shape=(size,), dtype="float32")


def _parts(arm: str, frame: Frame) -> tuple[ActionPart, ...]:
    kinds = ((ActionKind.TRANSLATION_DELTA, 3), (ActionKind.ROTATION_DELTA, 3), (ActionKind.GRIPPER, 1))
    return tuple(ActionPart(arm=arm, kind=kind, size=size, frame=frame) for kind, size in kinds)


def _spec(*arms: str, frame: Frame = Frame.BASE, **obs: ArraySpec) -> EnvSpec:
    parts = tuple(part for arm in arms for part in _parts(arm, frame))
    known = {name.replace("__", "/").replace("_0_", "."): spec for name, spec in obs.items()}
    return EnvSpec(obs=known, action=ActionSpec(parts=parts), rate_hz=10.0, max_steps=9)


def test_one_arm_by_hand():
    spec = _spec("arm", pixels__front=IMAGE, proprio__arm_0_position=_vector(3), proprio__arm_0_twist=_vector(6))
    mirror = Mirror(spec)
    picture = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
    image = mirror.obs(
        {
            "pixels/front": picture,
            "proprio/arm.position": np.array([0.5, 0.2, 0.1], np.float32),
            "proprio/arm.twist": np.arange(1, 7, dtype=np.float32),
        }
    )
    np.testing.assert_array_equal(image["pixels/front"], picture[:, ::-1])
    np.testing.assert_allclose(image["proprio/arm.position"], [0.5, -0.2, 0.1])
    np.testing.assert_allclose(image["proprio/arm.twist"], [1, -2, 3, -4, 5, -6])
    assert all(value.dtype == spec.obs[key].dtype for key, value in image.items())
    np.testing.assert_allclose(mirror.action(np.arange(1, 8, dtype=np.float32)), [1, -2, 3, -4, 5, -6, 7])


def test_in_the_axes_of_a_tool_the_one_across_the_fingers_is_turned_round():
    mirror = Mirror(_spec("arm", frame=Frame.TOOL, proprio__arm_0_yaw=_vector(2)))
    np.testing.assert_allclose(mirror.action(np.arange(1, 8, dtype=np.float32)), [-1, 2, 3, 4, -5, -6, 7])
    np.testing.assert_allclose(
        mirror.obs({"proprio/arm.yaw": np.array([0.8, 0.6], np.float32)})["proprio/arm.yaw"], [0.8, -0.6]
    )


def test_left_and_right_change_places():
    obs = {
        f"{kind}{side}{rest}": spec
        for side in ("left", "right")
        for kind, rest, spec in (("pixels__", "_wrist", IMAGE), ("proprio__", "_0_gripper", _vector(1)))
    }
    mirror = Mirror(_spec("left", "right", **obs))
    image = mirror.obs(
        {
            "pixels/left_wrist": np.full((4, 6, 3), 1, np.uint8),
            "pixels/right_wrist": np.full((4, 6, 3), 2, np.uint8),
            "proprio/left.gripper": np.array([0.1], np.float32),
            "proprio/right.gripper": np.array([0.9], np.float32),
        }
    )
    assert image["pixels/left_wrist"].max() == 2
    assert image["proprio/right.gripper"] == pytest.approx([0.1])
    action = np.arange(1, 15, dtype=np.float32)
    np.testing.assert_allclose(mirror.action(action), [8, -9, 10, -11, 12, -13, 14, 1, -2, 3, -4, 5, -6, 7])


@pytest.mark.parametrize("frame", list(Frame))
def test_twice_is_nothing(frame):
    rng = np.random.default_rng(0)
    spec = _spec(
        "left", "right", frame=frame, proprio__left_0_rotation_6d=_vector(6), proprio__right_0_rotation_6d=_vector(6)
    )
    mirror = Mirror(spec)
    obs = {key: rng.standard_normal(6).astype(np.float32) for key in spec.obs}
    for key, value in mirror.obs(mirror.obs(obs)).items():
        np.testing.assert_array_equal(value, obs[key])
    actions = rng.standard_normal((5, 14)).astype(np.float32)
    np.testing.assert_array_equal(mirror.action(mirror.action(actions)), actions)


def test_a_step_keeps_what_has_no_side():
    mirror = Mirror(_spec("arm", proprio__arm_0_gripper=_vector(1)))
    action = np.arange(1, 8, dtype=np.float32)
    step = Step(
        obs={"proprio/arm.gripper": np.ones(1, np.float32)},
        action=action,
        rewards={"task": 1.0},
        is_first=False,
        success=True,
        extra={INTENDED: 2 * action},
    )
    (image,) = mirror.steps([step])
    assert image.rewards == step.rewards
    assert image.success
    np.testing.assert_array_equal(image.extra[INTENDED], 2 * image.action)
    np.testing.assert_array_equal(step.action, action)


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        (_spec("arm", proprio__arm_0_q=_vector(7)), "proprio/arm.q"),
        (_spec("arm", state__cube=_vector(3)), "state/cube"),
        (_spec("left", proprio__left_0_gripper=_vector(1)), "other side"),
        (
            EnvSpec(
                obs={"proprio/arm.gripper": _vector(1)},
                action=ActionSpec(parts=(ActionPart(arm="arm", kind=ActionKind.JOINT_DELTA, size=7),)),
                rate_hz=10.0,
                max_steps=9,
            ),
            "arm.joint_delta",
        ),
    ],
)
def test_what_has_no_known_mirror_image_is_named(spec, hint):
    with pytest.raises(ConfigError, match=hint):
        Mirror(spec)
