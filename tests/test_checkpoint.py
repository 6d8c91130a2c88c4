"""Checkpoints and bundles: what goes in comes out; damage, foreign files and a full disk are one clear error each."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zlib
from enum import IntEnum, StrEnum
from pathlib import Path

import numpy as np
import pytest
import torch

from robolearn import checkpoint
from robolearn.core.errors import CheckpointError
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, ArraySpec, EnvSpec

SPEC = EnvSpec(
    obs={"pixels/front": ArraySpec((8, 8, 3), "uint8", 0, 255), "proprio/arm.q": ArraySpec((7,), "float32")},
    action=ActionSpec((ActionPart(arm="arm", kind=ActionKind.TRANSLATION_DELTA, size=3, scale=0.02),)),
    rate_hz=10.0,
    max_steps=50,
)
WEIGHTS = {"actor.w": np.arange(6, dtype=np.float32).reshape(2, 3), "scale": np.float32(2).reshape(())}


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


def parts(seed: int = 0) -> dict[str, dict[str, object]]:
    rng = np.random.default_rng(seed)
    return {
        "agent": {"w": torch.from_numpy(rng.normal(size=(4, 3))), "opt": {0: {"step": 5, "betas": (0.9, 0.99)}}},
        "loop": {"rng": rng.bit_generator.state, "names": ["a", None], "images": rng.integers(0, 9, (2, 3), np.uint8)},
    }


def assert_same(a: object, b: object) -> None:
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert isinstance(b, dict)
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, torch.Tensor):
        assert isinstance(b, torch.Tensor)
        assert a.dtype == b.dtype
        assert torch.equal(a, b)
    elif isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b, strict=True)
    else:
        assert a == b


def test_round_trip_is_exact(tmp_path: Path) -> None:
    saved = parts()
    checkpoint.save(tmp_path, 1000, saved, keep=2)
    assert_same(checkpoint.load(tmp_path), saved)
    assert_same(checkpoint.load(tmp_path, 1000), saved)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1000", "latest"]
    assert sorted(p.name for p in (tmp_path / "1000").iterdir()) == ["DONE", "agent.pt", "loop.pt"]


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 3), np.float32),
        np.array(3.5),
        np.arange(4, dtype=np.uint32)[::2],
        np.array([2**64 - 1], np.uint64),
        np.array([True, False]),
        np.array([1 + 2j]),
        np.array(["one", "three"]),
        np.array([b"x", b"yz"]),
        np.arange(3, dtype=">f4"),
        np.array(["2026-01-01"], "datetime64[D]"),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
    ],
    ids=lambda a: f"{a.dtype.str}{a.shape}",
)
def test_arrays_of_every_kind(tmp_path: Path, array: np.ndarray) -> None:
    array.flags.writeable = False
    checkpoint.save(tmp_path, 1, {"part": {"x": array}}, keep=1)
    read = checkpoint.load(tmp_path)["part"]["x"]
    assert isinstance(read, np.ndarray)
    np.testing.assert_array_equal(read, array, strict=True)


def test_scalars_become_plain_and_tensors_keep_their_type(tmp_path: Path) -> None:
    state = {
        "colour": Colour.RED,
        "level": Level.HIGH,
        "big": 2**127 + 1,
        "np": np.float32(0.5),
        "flag": np.bool_(True),
        "half": torch.ones(2, dtype=torch.bfloat16),
        "param": torch.nn.Parameter(torch.ones(3)),
    }
    checkpoint.save(tmp_path, 1, {"part": state}, keep=1)
    read = checkpoint.load(tmp_path)["part"]
    assert [type(read[k]) for k in ("colour", "level", "big", "np", "flag")] == [str, int, int, float, bool]
    assert (read["colour"], read["level"], read["big"], read["np"], read["flag"]) == ("red", 3, 2**127 + 1, 0.5, True)
    assert_same(read["half"], state["half"])
    assert_same(read["param"], torch.ones(3))


def test_a_view_does_not_drag_its_storage_along(tmp_path: Path) -> None:
    folder = checkpoint.save(tmp_path, 1, {"part": {"x": torch.zeros(1_000_000)[:10]}}, keep=1)
    assert (folder / "part.pt").stat().st_size < 10_000


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), r"part.a\[1\]: expected tensors, .* got object"),
        (np.array([None]), "got an array of objects"),
        ({(1, 2): 3}, "expected text or integers as keys"),
    ],
)
def test_what_needs_pickle_is_refused(tmp_path: Path, value: object, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        checkpoint.save(tmp_path, 1, {"part": {"a": [1, value]}}, keep=1)
    assert list(tmp_path.iterdir()) == []


def test_keeps_the_newest(tmp_path: Path) -> None:
    for step in (5, 100, 20, 1000):
        checkpoint.save(tmp_path, step, parts(step), keep=2)
    # 20 was saved after 100: a run that went back to before 100 has left it behind
    assert checkpoint.steps(tmp_path) == [20, 1000]
    assert checkpoint.latest_step(tmp_path) == 1000
    checkpoint.save(tmp_path, 1000, parts(7), keep=2)
    assert_same(checkpoint.load(tmp_path), parts(7))


@pytest.mark.parametrize("case", ["flip", "cut", "gone", "done", "json", "path"])
def test_damage_names_the_file_and_the_newest_good(tmp_path: Path, case: str) -> None:
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, step, parts(step), keep=5)
    (tmp_path / "2" / "loop.pt").unlink()
    part, done = tmp_path / "3" / "agent.pt", tmp_path / "3" / "DONE"
    data = bytearray(part.read_bytes())
    if case == "flip":
        data[len(data) // 2] ^= 1
        part.write_bytes(data)
    elif case == "cut":
        part.write_bytes(data[:100])
    elif case == "gone":
        part.unlink()
    elif case == "done":
        done.unlink()
    elif case == "json":
        done.write_text("{")
    else:
        done.write_text(json.dumps({"schema": "robolearn-checkpoint/1", "files": {"../1/agent.pt": [1, 1]}}))
    name = "DONE" if case in ("done", "json", "path") else "agent.pt"
    with pytest.raises(CheckpointError, match=f"3/{name}: .*the newest good checkpoint is 1: resume from it"):
        checkpoint.load(tmp_path)
    assert_same(checkpoint.load(tmp_path, 1), parts(1))


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    part = checkpoint.save(tmp_path, 1, parts(), keep=1) / "loop.pt"
    data = part.read_bytes()
    for offset in np.random.default_rng(0).integers(0, len(data), 40):
        damaged = bytearray(data)
        damaged[offset] ^= 0x10
        part.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"CRC-32.*no good checkpoint is left"):
            checkpoint.load(tmp_path)


def test_code_in_a_checkpoint_never_runs(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "boom"),)

    folder = checkpoint.save(tmp_path, 1, parts(), keep=1)
    torch.save({"x": Bomb()}, folder / "agent.pt")
    data = (folder / "agent.pt").read_bytes()
    (folder / "DONE").write_text(
        json.dumps({"schema": "robolearn-checkpoint/1", "files": {"agent.pt": [len(data), zlib.crc32(data)]}})
    )
    with pytest.raises(CheckpointError, match="expected tensors and plain values"):
        checkpoint.load(tmp_path)
    assert not (tmp_path / "boom").exists()


def test_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="none that is complete"):
        checkpoint.load(tmp_path / "nowhere")
    checkpoint.save(tmp_path, 4, parts(), keep=1)
    with pytest.raises(CheckpointError, match=r"7/DONE: .*no such file; the newest good checkpoint is 4"):
        checkpoint.load(tmp_path, 7)


FULL = """
import resource, sys
import numpy as np, torch
from pathlib import Path
from robolearn import checkpoint
from robolearn.core.errors import CheckpointError
sys.path.insert(0, {here!r})
from test_checkpoint import SPEC, WEIGHTS, parts
checkpoint.save(Path("c"), 1, parts(1), keep=2)
checkpoint.save_bundle(Path("policy"), WEIGHTS, SPEC, 1, "seed: 1")
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
errors = []
for write in (
    lambda: checkpoint.save(Path("c"), 2, {{"agent": {{"w": torch.zeros(100_000)}}}}, keep=2),
    lambda: checkpoint.save_bundle(Path("policy"), {{"w": np.zeros(100_000)}}, SPEC, 2, "seed: 2"),
):
    try:
        write()
    except CheckpointError as error:
        errors.append("room to write" in str(error))
sys.exit(0 if errors == [True, True] else 3)
"""


@pytest.mark.parametrize("limit", [0, 300, 50_000])
def test_full_disk_keeps_the_older_ones(tmp_path: Path, limit: int) -> None:
    code = FULL.format(here=str(Path(__file__).parent), limit=limit)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in tmp_path.rglob(".*")) == []
    assert_same(checkpoint.load(tmp_path / "c"), parts(1))
    assert checkpoint.load_bundle(tmp_path / "policy").step == 1


KILLED = """
import sys
from pathlib import Path
import numpy as np
from robolearn import checkpoint
sys.path.insert(0, {here!r})
from test_checkpoint import SPEC, parts
print("ready", flush=True)
for step in range(1, 10_000):
    checkpoint.save(Path("c"), step // 2, {{"a": {{"step": step, "x": np.full(50_000, step)}}}}, keep=2)
    checkpoint.save_bundle(Path("policy"), {{"x": np.full(50_000, step)}}, SPEC, step, "")
"""


def test_kill_9_at_any_moment_leaves_whole_ones(tmp_path: Path) -> None:
    code = KILLED.format(here=str(Path(__file__).parent))
    for trial, delay in enumerate((0.05, 0.11, 0.19, 0.31)):
        folder = tmp_path / str(trial)
        folder.mkdir()
        process = subprocess.Popen([sys.executable, "-c", code], cwd=folder, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        while not (folder / "policy").exists():
            time.sleep(0.01)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        state = checkpoint.load(folder / "c")["a"]
        assert (np.asarray(state["x"]) == state["step"]).all()
        bundle = checkpoint.load_bundle(folder / "policy")
        assert (bundle.state["x"] == bundle.step).all()


def test_a_cut_off_replacement_is_settled(tmp_path: Path) -> None:
    folder = checkpoint.save_bundle(tmp_path / "policy", WEIGHTS, SPEC, 7, "")
    folder.rename(tmp_path / ".policy.old")
    (tmp_path / ".policy.building").mkdir()
    assert checkpoint.load_bundle(folder).step == 7
    assert [p.name for p in tmp_path.iterdir()] == ["policy"]


def test_bundle_round_trip(tmp_path: Path) -> None:
    checkpoint.save_bundle(tmp_path / "policy", WEIGHTS, SPEC, 4321, "agent:\n  lr: 0.001\n")
    checkpoint.save_bundle(tmp_path / "policy", {k: v + 1 for k, v in WEIGHTS.items()}, SPEC, 4322, "agent: {}\n")
    bundle = checkpoint.load_bundle(tmp_path / "policy")
    assert (bundle.step, bundle.config, bundle.spec) == (4322, "agent: {}\n", SPEC)
    for key, value in WEIGHTS.items():
        np.testing.assert_array_equal(bundle.state[key], value + 1, strict=True)
    assert [p.name for p in tmp_path.iterdir()] == ["policy"]
    assert sorted(p.name for p in (tmp_path / "policy").iterdir()) == ["config.yaml", "policy.safetensors", "spec.json"]


def test_bundle_needs_no_torch(tmp_path: Path) -> None:
    checkpoint.save_bundle(tmp_path / "policy", WEIGHTS, SPEC, 1, "")
    code = "import sys; from pathlib import Path; from robolearn import checkpoint; checkpoint.load_bundle(Path('policy')); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0


def test_damaged_bundles(tmp_path: Path) -> None:
    good = checkpoint.save_bundle(tmp_path / "policy", WEIGHTS, SPEC, 1, "seed: 3\n")
    for name in ("policy.safetensors", "config.yaml"):
        shutil.copytree(good, tmp_path / "bad", dirs_exist_ok=True)
        data = bytearray((good / name).read_bytes())
        data[-2] ^= 1
        (tmp_path / "bad" / name).write_bytes(data)
        with pytest.raises(CheckpointError, match=f"bad/{name}: expected .*CRC-32"):
            checkpoint.load_bundle(tmp_path / "bad")
    (tmp_path / "bad" / "spec.json").write_text(json.dumps({"normal": "json"}))
    with pytest.raises(CheckpointError, match="expected schema 'robolearn-policy/1', got none"):
        checkpoint.load_bundle(tmp_path / "bad")
    (tmp_path / "bad" / "spec.json").write_text("PK\x03\x04")
    with pytest.raises(CheckpointError, match=r"spec\.json"):
        checkpoint.load_bundle(tmp_path / "bad")
    with pytest.raises(CheckpointError, match=r"nowhere/spec.json: .* no such file"):
        checkpoint.load_bundle(tmp_path / "nowhere")
