"""A process that answers one question at a time: with what it was sent, or with an observation of three cameras, in either of two forms.

The second form is that of LeRobot's LeKiwi host (huggingface/lerobot 0.4.4): JPEG of quality 90, base64, JSON.
"""

import base64
import json
import sys
import time
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import WireError
from robolearn.core.memory import keep_freed_memory, spare_what_stays
from robolearn.run.stop import StopSignals
from robolearn.wire.codec import Decoder, pack
from robolearn.wire.messages import FrameInfo
from robolearn.wire.sockets import SecurityConfig, Sockets, bound_to, received, sent, wait_for_any

OURS, JSON = b"ours", b"json"
"""What to ask for; everything else comes back as it is."""
CAMERAS = ("front", "left", "right")
SIZE = (480, 640, 3)
JOINTS = {f"joint{number}.pos": 0.1 * number for number in range(7)}
QUALITY = 90
_decode: Decoder[FrameInfo] = Decoder(FrameInfo, "picture of the host")


def pictures() -> dict[str, NDArray[np.uint8]]:
    """Return pictures that a JPEG shrinks about as much as those of a workshop: smooth, with some noise."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    rng = np.random.default_rng(0)
    smooth = np.stack([rows / 2, columns / 3, (rows + columns) / 5], axis=-1)
    return {name: np.clip(smooth + rng.normal(20.0, 6.0, SIZE), 0, 255).astype(np.uint8) for name in CAMERAS}


def ours(frames: dict[str, NDArray[np.uint8]]) -> list[bytes]:
    """Return an observation as our cameras send it, and the joints beside."""
    now_ns = time.monotonic_ns()
    joints = np.array(list(JOINTS.values()), np.float32)

    def info(name: str) -> FrameInfo:
        return FrameInfo(camera=name, seq=0, stamp_ns=now_ns, clock_id="monotonic", faults=[])

    return [pack(info(name), {"pixels": frame, "joints": joints}) for name, frame in frames.items()]


def from_ours(parts: Sequence[bytes | memoryview]) -> dict[str, NDArray[np.uint8]]:
    """Return the pictures."""
    frames: dict[str, NDArray[np.uint8]] = {}
    for part in parts:
        info, arrays = _decode.with_arrays(part)
        frames[info.camera] = arrays["pixels"].astype(np.uint8)  # a copy, as whoever looks at a camera gets one
    return frames


def as_json(frames: dict[str, NDArray[np.uint8]]) -> list[bytes]:
    """Return an observation as LeKiwi's host sends it."""
    observation: dict[str, float | str] = {**JOINTS}
    for name, frame in frames.items():
        done, jpeg = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        if not done:
            raise WireError("picture", expected="a JPEG", got="none")
        observation[name] = base64.b64encode(jpeg.tobytes()).decode()
    return [json.dumps(observation).encode()]


def from_json(parts: Sequence[bytes | memoryview]) -> dict[str, NDArray[np.uint8]]:
    """Return the pictures, as LeKiwi's client decodes them."""
    observation = json.loads(bytes(parts[0]))
    jpegs = {name: np.frombuffer(base64.b64decode(observation[name]), np.uint8) for name in CAMERAS}
    return {name: np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8) for name, jpeg in jpegs.items()}


def main() -> None:
    """Answer until interrupted; argument: the security of the socket, as JSON."""
    security = SecurityConfig(**json.loads(sys.argv[1] if len(sys.argv) > 1 else "{}"))
    frames = pictures()
    keep_freed_memory()
    spare_what_stays()
    with StopSignals() as signals, Sockets(security) as sockets:
        hear = sockets.answer("tcp://127.0.0.1:*")
        sys.stdout.write(f"{bound_to(hear)}\n")
        sys.stdout.flush()
        while signals.received is None:
            wait_for_any([hear], 0.1)
            while (message := received(hear)) is not None:
                client, question = message[0], message[-1]
                answer = {OURS: ours, JSON: as_json}.get(question, lambda _, q=question: [q])(frames)
                sent(hear, client, *answer)


if __name__ == "__main__":
    main()
