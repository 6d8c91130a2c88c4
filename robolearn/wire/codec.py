"""Bytes and back: structs as msgpack, arrays as raw bytes behind a header, always in one frame."""

import math
import struct
from collections.abc import Mapping
from typing import Annotated, Any, Generic, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import WireError
from robolearn.core.types import Array

MAX_MESSAGE = 64 * 1024
"""Bytes of a message without arrays; a peer that sends more is cut off."""
MAX_ARRAYS = 64 * 1024 * 1024
"""Bytes of a message with arrays."""
DTYPES = ("uint8", "int32", "int64", "float32", "float64", "bool")
"""What arrays may hold: no objects, no strings."""
LARGEST = 2**63 - 1
"""Bytes that numpy can count; it counts without the sides of length 0."""
_LENGTH = struct.Struct("<I")
MessageT = TypeVar("MessageT")
_encoder = msgspec.msgpack.Encoder()


class ArrayHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the bytes of an array mean; C order, little-endian."""

    dtype: str
    shape: Annotated[list[Annotated[int, msgspec.Meta(ge=0, le=2**31)]], msgspec.Meta(max_length=8)]


class Packed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The header of a frame with arrays."""

    body: msgspec.Raw
    arrays: dict[str, ArrayHeader]


_packed_decoder = msgspec.msgpack.Decoder(Packed)


def encode(message: object) -> bytes:
    """Return a struct as bytes."""
    return _encoder.encode(message)


class Decoder(Generic[MessageT]):
    """Turns bytes into one of some structs.

    Args:
        kinds: A struct, or a union of tagged ones.
        source: Where the bytes come from, for error messages.
    """

    def __init__(self, kinds: Any, source: str) -> None:  # noqa: ANN401  (a type, or a union of types)
        self._decoder: msgspec.msgpack.Decoder[MessageT] = msgspec.msgpack.Decoder(kinds)
        self._source = source

    def __call__(self, data: bytes | memoryview) -> MessageT:
        """Return what the bytes say.

        Raises:
            WireError: If they are too many, damaged, or say something else.
        """
        if len(data) > MAX_MESSAGE:
            raise WireError(self._source, expected=f"at most {MAX_MESSAGE} bytes", got=len(data))
        try:
            return self._decoder.decode(data)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise WireError(self._source, expected="a message of this protocol", got=str(error)) from error

    def with_arrays(self, frame: bytes | memoryview) -> tuple[MessageT, dict[str, Array]]:
        """Return what `pack` put into a frame; the arrays are read-only views of it.

        Raises:
            WireError: If it is too large, damaged, cut short, or holds a dtype that is not allowed.
        """
        view = memoryview(frame)
        if not _LENGTH.size <= len(view) <= MAX_ARRAYS:
            expected = f"{_LENGTH.size} to {MAX_ARRAYS} bytes"
            raise WireError(self._source, expected=expected, got=len(view))
        (length,) = _LENGTH.unpack_from(view)
        start = _LENGTH.size + length
        if length > MAX_MESSAGE or start > len(view):
            raise WireError(self._source, expected="a header inside of the frame", got=f"{length} bytes of header")
        try:
            packed = _packed_decoder.decode(view[_LENGTH.size : start])
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise WireError(self._source, expected="a header of arrays", got=str(error)) from error
        return self(memoryview(packed.body)), self._arrays(packed.arrays, view[start:])

    def _arrays(self, headers: Mapping[str, ArrayHeader], data: memoryview) -> dict[str, Array]:
        arrays: dict[str, Array] = {}
        at = 0
        for name, header in headers.items():
            if header.dtype not in DTYPES:
                raise WireError(f"{self._source}, array '{name}'", expected=f"one of {DTYPES}", got=header.dtype[:32])
            dtype = np.dtype(header.dtype).newbyteorder("<")
            size = math.prod(header.shape) * dtype.itemsize
            if math.prod(side for side in header.shape if side) * dtype.itemsize > LARGEST:
                raise WireError(
                    f"{self._source}, array '{name}'", expected=f"{LARGEST} bytes at most", got=header.shape
                )
            if at + size > len(data):
                raise WireError(f"{self._source}, array '{name}'", expected=f"{size} bytes", got=len(data) - at)
            arrays[name] = np.frombuffer(data[at : at + size], dtype).reshape(header.shape)
            at += size
        if at != len(data):
            raise WireError(self._source, expected=f"{at} bytes of arrays", got=len(data))
        return arrays


def pack(message: object, arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    """Return a struct and arrays as one frame: u32 length, header, then the bytes of the arrays in order.

    One frame, because sockets that keep only the newest message keep only the last frame of it.

    Raises:
        WireError: If an array's dtype is not allowed, or all of it is too large.
    """
    headers: dict[str, ArrayHeader] = {}
    parts: list[bytes | memoryview] = []
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            raise WireError(f"array '{name}'", expected=f"one of {DTYPES}", got=array.dtype.name)
        headers[name] = ArrayHeader(array.dtype.name, list(array.shape))
        whole = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        parts.append(whole.reshape(-1).view(np.uint8).data)
    header = _encoder.encode(Packed(msgspec.Raw(_encoder.encode(message)), headers))
    if len(header) > MAX_MESSAGE:
        raise WireError("header", expected=f"at most {MAX_MESSAGE} bytes", got=len(header))
    frame = b"".join((_LENGTH.pack(len(header)), header, *parts))
    if len(frame) > MAX_ARRAYS:
        raise WireError("frame", expected=f"at most {MAX_ARRAYS} bytes", got=len(frame))
    return frame
