import json
import math

import msgspec
import numpy as np
import pytest

from robolearn.core.errors import SpecError
from robolearn.core.learning import BatchSpec
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, ArraySpec, EnvSpec, Frame

ACTION = ActionSpec(
    parts=(
        ActionPart(arm="arm", kind=ActionKind.TRANSLATION_DELTA, size=3, scale=0.05, frame=Frame.TOOL),
        ActionPart(arm="arm", kind=ActionKind.GRIPPER, size=1),
    )
)


def env_spec(**changes: object) -> EnvSpec:
    fields = {
        "obs": {
            "pixels/wrist": ArraySpec(shape=(8, 8, 3), dtype="uint8", low=0.0, high=255.0),
            "pixels/front": ArraySpec(shape=(8, 8, 3), dtype="uint8", low=0.0, high=255.0),
            "proprio/arm.q": ArraySpec(shape=(7,), dtype="float32"),
            "state/cube": ArraySpec(shape=(3,), dtype="float32"),
        },
        "action": ACTION,
        "rate_hz": 10.0,
        "max_steps": 50,
        **changes,
    }
    return EnvSpec(**fields)


def obs(batch: tuple[int, ...] = ()) -> dict[str, np.ndarray]:
    return {
        "pixels/wrist": np.zeros((*batch, 8, 8, 3), np.uint8),
        "pixels/front": np.zeros((*batch, 8, 8, 3), np.uint8),
        "proprio/arm.q": np.zeros((*batch, 7), np.float32),
        "state/cube": np.zeros((*batch, 3), np.float32),
    }


def test_action_slices_follow_the_parts():
    assert ACTION.size == 4
    assert ACTION.slices == {"arm.translation_delta": slice(0, 3), "arm.gripper": slice(3, 4)}
    assert ACTION.describe() == "arm.translation_delta[0:3], arm.gripper[3:4]"
    space = ACTION.space()
    assert (space.shape, space.dtype) == ((4,), np.float32)
    assert (space.low.min(), space.high.max()) == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (np.zeros(3), r"shape \(4,\) = arm.translation_delta\[0:3\]"),
        (np.zeros((1, 4)), "shape"),
        (np.array([0, math.nan, 0, 0]), "finite"),
        (np.array([0, 0, math.inf, 0]), "finite"),
    ],
)
def test_an_unusable_action_is_named(action, message):
    with pytest.raises(SpecError, match=message):
        ACTION.validate(action)


def test_values_beyond_the_range_are_the_envs_to_clip():
    ACTION.validate(np.array([7.0, 0, 0, 0]))


def test_keys_are_sorted_and_counted():
    spec = env_spec()
    assert spec.pixel_keys == ("pixels/front", "pixels/wrist")
    assert spec.vector_keys == ("proprio/arm.q", "state/cube")
    assert spec.vector_size == 10


def test_observations_may_have_a_leading_batch():
    env_spec().validate_obs(obs())
    env_spec().validate_obs(obs((5,)))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("pixels/wrist", np.zeros((8, 8, 3), np.float32), "uint8"),
        ("pixels/wrist", np.zeros((3, 8, 8), np.uint8), r"\(8, 8, 3\)"),
        ("proprio/arm.q", np.zeros(6, np.float32), r"\(7,\)"),
        ("proprio/arm.q", np.zeros(7), "float32"),
    ],
)
def test_a_wrong_array_is_named(key, value, message):
    with pytest.raises(SpecError, match=message) as caught:
        env_spec().validate_obs({**obs(), key: value})
    assert key in str(caught.value)


def test_a_missing_key_names_the_nearest():
    seen = obs()
    seen["pixels/wirst"] = seen.pop("pixels/wrist")
    with pytest.raises(SpecError, match="did you mean pixels/wirst"):
        env_spec().validate_obs(seen)


def test_specs_survive_json():
    spec = env_spec()
    plain = json.loads(json.dumps(spec.to_plain(), allow_nan=False))
    assert EnvSpec.from_plain(plain, "policy") == spec
    assert msgspec.json.decode(msgspec.json.encode(ACTION), type=ActionSpec) == ACTION


def test_a_damaged_spec_is_named():
    plain = env_spec().to_plain()
    del plain["action"]
    with pytest.raises(SpecError, match="policy"):
        EnvSpec.from_plain(plain, "policy")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate_hz": 20.0}, "20.0 Hz"),
        ({"obs": {}}, "absent"),
        ({"action": ActionSpec(parts=ACTION.parts[:1])}, "action"),
    ],
)
def test_the_first_difference_between_specs_is_named(changes, message):
    env_spec().require_same(env_spec(), "policy")
    with pytest.raises(SpecError, match=message):
        env_spec().require_same(env_spec(**changes), "policy")


def test_spaces_have_shape_dtype_and_range():
    box = ArraySpec(shape=(2,), dtype="float32", low=-1.0, high=1.0).space()
    assert box.contains(np.array([1.0, -1.0], np.float32))
    assert not box.contains(np.array([1.1, 0.0], np.float32))
    assert ArraySpec(shape=(4, 4, 3), dtype="uint8", low=0, high=255).space().dtype == np.uint8


def test_shares_of_a_batch_must_sum_to_one():
    BatchSpec(mix={"demo": 0.5, "online": 0.5})
    with pytest.raises(SpecError, match="sum to 1"):
        BatchSpec(mix={"demo": 0.5})
