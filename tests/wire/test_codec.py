"""Bytes and back: what was sent comes out, and nothing else does, whatever arrives."""

import contextlib
import struct

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robolearn.core.errors import WireError
from robolearn.core.robot import CommandMode
from robolearn.wire.codec import DTYPES, MAX_MESSAGE, Decoder, encode, pack
from robolearn.wire.messages import Command, FromClient, Hello, Stop

COMMAND = Command(
    session=7,
    arm="arm",
    lease=9,
    seq=3,
    sent_ns=10**18,
    deadline_s=0.1,
    mode=CommandMode.POSE,
    target=[0.5, 0.0, 0.2, 0.0, 1.0, 0.0, 0.0],
    gripper=None,
    valid_for_s=0.5,
)
decode: Decoder = Decoder(FromClient, "message from a client")


@pytest.mark.parametrize("message", [COMMAND, Hello(id=1, protocol=1, client="me"), Stop(id=2, arm="arm")])
def test_a_message_comes_back_as_it_was(message):
    assert decode(encode(message)) == message


def test_numbers_that_are_none_pass_the_wire_for_the_supervisor_to_name():
    broken = msgspec.structs.replace(COMMAND, target=[float("nan"), float("inf")])
    back = decode(encode(broken))
    assert np.isnan(back.target[0])
    assert np.isinf(back.target[1])


@pytest.mark.parametrize(
    "changes",
    [
        {"target": [0.0] * 65},
        {"target": "far"},
        {"seq": -1},
        {"mode": "teleport"},
        {"deadline_s": -1.0},
        {"valid_for_s": 1e9},
        {"arm": ""},
        {"extra": 1},
        {"kind": "comand"},
    ],
)
def test_what_does_not_fit_is_refused(changes):
    plain = msgspec.msgpack.decode(encode(COMMAND)) | changes
    with pytest.raises(WireError, match="message from a client"):
        decode(msgspec.msgpack.encode(plain))


def test_what_is_too_large_is_refused_before_it_is_read():
    with pytest.raises(WireError, match="at most"):
        decode(b"\0" * (MAX_MESSAGE + 1))


@given(st.binary(max_size=300))
def test_random_bytes_are_refused_and_never_crash(data):
    with contextlib.suppress(WireError):
        decode(data)
    with contextlib.suppress(WireError):
        decode.with_arrays(data)


@given(st.data())
def test_a_damaged_message_is_refused_or_still_well_formed(data):
    raw = bytearray(encode(COMMAND))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(raw[: data.draw(st.integers(0, len(raw)))])
    try:
        message = decode(cut)
    except WireError:
        return
    assert len(getattr(message, "target", [])) <= 64


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_come_back_bit_for_bit(dtype):
    rng = np.random.default_rng(0)
    array = (rng.uniform(0, 200, (3, 4, 2))).astype(dtype)[:, ::2]
    message, arrays = decode.with_arrays(pack(COMMAND, {"a": array, "b": np.zeros((0, 3), dtype)}))
    assert message == COMMAND
    np.testing.assert_array_equal(arrays["a"], array)
    assert arrays["a"].dtype == array.dtype
    assert arrays["b"].shape == (0, 3)


def test_arrays_of_objects_strings_or_numbers_of_other_sizes_are_refused_on_both_sides():
    for array in (np.array([object()]), np.array(["a"]), np.zeros(2, np.float16)):
        with pytest.raises(WireError, match="expected one of"):
            pack(COMMAND, {"a": array})
    good = pack(COMMAND, {"a": np.zeros(3, np.float32)})
    with pytest.raises(WireError, match="expected one of"):
        decode.with_arrays(good.replace(b"float32", b"complex"))


def header_of(dtype, shape):
    arrays = {"a": {"dtype": dtype, "shape": shape}}
    return msgspec.msgpack.encode({"body": msgspec.Raw(encode(COMMAND)), "arrays": arrays})


@given(st.lists(st.sampled_from([0, 1, 3, 2**20, 2**31]), max_size=8), st.sampled_from(DTYPES))
def test_sides_of_arrays_that_hold_nothing_are_bounded_too(shape, dtype):
    header = header_of(dtype, shape)
    with contextlib.suppress(WireError):
        _, arrays = decode.with_arrays(struct.pack("<I", len(header)) + header)
        assert arrays["a"].shape == tuple(shape)


def test_no_array_is_larger_than_memory_can_be_although_it_is_empty():
    header = header_of("uint8", [0, 2**31, 2**31, 2**31])
    with pytest.raises(WireError, match=r"'a': expected \d+ bytes at most"):
        decode.with_arrays(struct.pack("<I", len(header)) + header)


def test_a_frame_that_is_cut_short_or_too_long_is_refused():
    frame = pack(COMMAND, {"a": np.arange(100, dtype=np.int64)})
    for cut in (frame[:3], frame[:20], frame[:-1], frame + b"\0"):
        with pytest.raises(WireError):
            decode.with_arrays(cut)
    with pytest.raises(WireError, match="inside of the frame"):
        decode.with_arrays(struct.pack("<I", 2**31) + frame[4:])
    huge = header_of("uint8", [2**31, 2**31, 2**31])
    with pytest.raises(WireError):
        decode.with_arrays(struct.pack("<I", len(huge)) + huge)
