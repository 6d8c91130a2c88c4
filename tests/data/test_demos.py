"""Demonstration files: what goes in comes out, and every kind of damage is one clear error."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from robolearn.core.errors import DataError, SpecError
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, ArraySpec, EnvSpec
from robolearn.core.types import Source, Step
from robolearn.data import DemoWriter, inspect_demos, read_demos, write_demos
from robolearn.data.layout import stored_name

SPEC = EnvSpec(
    obs={
        "pixels/front": ArraySpec((8, 8, 3), "uint8", 0, 255),
        "pixels/wrist": ArraySpec((8, 8, 3), "uint8", 0, 255),
        "proprio/arm.q": ArraySpec((7,), "float32"),
    },
    action=ActionSpec(
        (
            ActionPart(arm="arm", kind=ActionKind.TRANSLATION_DELTA, size=3, scale=0.02),
            ActionPart(arm="arm", kind=ActionKind.GRIPPER, size=1),
        )
    ),
    rate_hz=10.0,
    max_steps=50,
)


def episode(seed: int, length: int = 4, *, terminal: bool = True, spec: EnvSpec = SPEC) -> list[Step]:
    rng = np.random.default_rng(seed)
    rows = []
    for t in range(length + 1):
        last = t == length
        obs = {
            key: rng.integers(0, 256, array.shape, np.uint8)
            if array.dtype == "uint8"
            else rng.normal(size=array.shape).astype(array.dtype)
            for key, array in spec.obs.items()
        }
        rows.append(
            Step(
                obs=obs,
                action=np.zeros(4, np.float32) if last else rng.uniform(-1, 1, 4).astype(np.float32),
                rewards={"task": 0.0, "near": 0.0} if last else {"task": float(t == length - 1), "near": rng.normal()},
                is_first=t == 0,
                is_last=last,
                is_terminal=last and terminal,
                is_truncated=last and not terminal,
                intervened=not last and t == 1,
                success=terminal and t >= length - 1,
                source=Source.DEMO,
                policy_version=3,
                stamp_ns=1000 + t,
                extra={"base_action": np.zeros(4, np.float32) if last else rng.normal(size=4).astype(np.float32)},
            )
        )
    return rows


def assert_same(a: Step, b: Step) -> None:
    for name in Step.__slots__:
        mine, other = getattr(a, name), getattr(b, name)
        if name in ("obs", "extra"):
            assert mine.keys() == other.keys()
            for key in mine:
                np.testing.assert_array_equal(mine[key], other[key], strict=True)
        elif name == "action":
            np.testing.assert_array_equal(mine, other, strict=True)
        else:
            assert mine == other, name


@settings(max_examples=15, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=12),
    terminal=st.booleans(),
)
def test_round_trip_is_exact(tmp_path_factory: pytest.TempPathFactory, lengths: list[int], terminal: bool) -> None:
    path = tmp_path_factory.mktemp("demos") / "demos.hdf5"
    written = [episode(i, length, terminal=terminal) for i, length in enumerate(lengths)]
    with DemoWriter(path, SPEC) as writer:
        for rows in written:
            writer.add(rows)
    assert [p.name for p in path.parent.iterdir()] == ["demos.hdf5"]
    read = list(read_demos(path, SPEC))
    assert [len(rows) for rows in read] == [length + 1 for length in lengths]
    for mine, other in zip(written, read, strict=True):
        for a, b in zip(mine, other, strict=True):
            assert_same(a, b)


def test_robomimic_layout(tmp_path: Path) -> None:
    rows = [episode(0, 3), episode(1, 5)]
    path = write_demos(tmp_path / "demos.hdf5", SPEC, rows, env={"id": "robolearn/Toy-v0", "yaw": 0.4})
    path = path.rename(tmp_path / "renamed.hdf5")
    with h5py.File(path) as file:
        data = file["data"]
        assert sorted(data) == ["demo_0", "demo_1"]
        assert data.attrs["total"] == 8
        env_args = json.loads(data.attrs["env_args"])
        assert env_args["env_name"] == "robolearn/Toy-v0"
        assert env_args["env_kwargs"]["yaw"] == 0.4
        demo = data["demo_1"]
        assert demo.attrs["num_samples"] == 5
        assert demo["actions"].shape == (5, 4)
        assert np.abs(demo["actions"][()]).max() <= 1
        assert demo["dones"][()].tolist() == [0, 0, 0, 0, 1]
        assert demo["rewards"][()].tolist() == [0, 0, 0, 0, 1]
        assert demo["obs/pixels.front"].chunks == (1, 8, 8, 3)
        assert demo["obs/pixels.front"].dtype == np.uint8
        for key in SPEC.obs:
            frames = np.stack([step.obs[key] for step in rows[1]])
            np.testing.assert_array_equal(demo[stored_name(f"obs/{key}")][()], frames[:-1])
            np.testing.assert_array_equal(demo[stored_name(f"next_obs/{key}")][()], frames[1:])


def test_inspect(tmp_path: Path) -> None:
    path = write_demos(tmp_path / "d.hdf5", SPEC, [episode(0, 3), episode(1, 5, terminal=False)], env={"yaw": 0.4})
    info = inspect_demos(path)
    assert info.spec == SPEC
    assert info.env == {"yaw": 0.4}
    assert info.complete
    assert (info.steps, info.successes) == (8, 1)
    assert [e.length for e in info.episodes] == [3, 5]
    assert [e.success for e in info.episodes] == [True, False]
    assert info.episodes[0].ret == 1.0
    assert info.episodes[0].intervened == 1
    assert info.episodes[0].sources == ("demo",)


def test_masks_select_episodes(tmp_path: Path) -> None:
    path = tmp_path / "d.hdf5"
    with DemoWriter(path, SPEC) as writer:
        for i in range(11):
            writer.add(episode(i, i + 1), masks=["valid" if i in (2, 10) else "train"])
    assert inspect_demos(path).masks["valid"] == ("demo_2", "demo_10")
    assert [len(rows) for rows in read_demos(path, mask="valid")] == [4, 12]
    with pytest.raises(DataError, match="did you mean valid"):
        list(read_demos(path, mask="valit"))


def test_interrupt_keeps_finished_episodes(tmp_path: Path) -> None:
    path = tmp_path / "d.hdf5"

    def interrupted():
        yield episode(0)
        yield episode(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_demos(path, SPEC, interrupted())
    assert len(inspect_demos(path).episodes) == 2
    assert not inspect_demos(path).complete
    with pytest.raises(KeyboardInterrupt):
        write_demos(path, SPEC, interrupted(), overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["d.hdf5", "d.interrupted.hdf5"]


def test_nothing_is_left_without_a_finished_episode(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), DemoWriter(tmp_path / "d.hdf5", SPEC):
        raise ZeroDivisionError
    with pytest.raises(DataError, match="at least one episode"):
        write_demos(tmp_path / "d.hdf5", SPEC, [])
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    path = write_demos(tmp_path / "d.hdf5", SPEC, [episode(0)])
    with pytest.raises(DataError, match="choose another name"):
        write_demos(path, SPEC, [episode(1), episode(2)])
    write_demos(path, SPEC, [episode(1), episode(2)], overwrite=True)
    assert len(inspect_demos(path).episodes) == 2


def bad_rows() -> dict[str, tuple[list[Step], str]]:
    cases = {name: episode(0) for name in ("size", "missing", "nan", "action", "range", "reward", "edge", "terms")}
    cases["size"][2].obs["pixels/wrist"] = np.zeros((9, 8, 3), np.uint8)
    del cases["missing"][1].obs["pixels/wrist"]
    cases["nan"][4].obs["proprio/arm.q"] = np.full(7, np.nan, np.float32)
    cases["action"][0].action = np.zeros(5, np.float32)
    cases["range"][0].action = np.full(4, 1.5, np.float32)
    cases["reward"][3].rewards = {"task": float("nan"), "near": 0.0}
    cases["edge"][2].is_first = True
    cases["terms"][1].rewards = {"task": 0.0}
    messages = {
        "size": r"row 2, obs 'pixels/wrist': expected uint8 \(8, 8, 3\), got uint8 \(9, 8, 3\)",
        "missing": "row 1, obs 'pixels/wrist': expected .* got missing",
        "nan": "row 4, obs 'proprio/arm.q': expected finite",
        "action": r"row 0, action: expected shape \(4,\)",
        "range": r"row 0, action: expected float32 in \[-1, 1\]",
        "reward": "rewards: expected finite",
        "edge": r"is_first at \[0, 2\]",
        "terms": "row 1: expected rewards",
    }
    cases["short"], messages["short"] = episode(0)[-1:], "got 1 rows"
    return {name: (rows, messages[name]) for name, rows in cases.items()}


@pytest.mark.parametrize("case", bad_rows())
def test_writer_refuses_bad_rows_and_keeps_the_good(tmp_path: Path, case: str) -> None:
    rows, message = bad_rows()[case]
    path = tmp_path / "d.hdf5"
    with DemoWriter(path, SPEC) as writer:
        writer.add(episode(7))
        with pytest.raises((DataError, SpecError), match=message):
            writer.add(rows)
        writer.add(episode(8))
    assert len(list(read_demos(path, SPEC))) == 2


def test_another_spec_is_refused_by_name(tmp_path: Path) -> None:
    path = write_demos(tmp_path / "d.hdf5", SPEC, [episode(0)])
    larger = dict(SPEC.obs, **{"pixels/wrist": ArraySpec((16, 16, 3), "uint8", 0, 255)})
    live = EnvSpec(obs=larger, action=SPEC.action, rate_hz=10.0, max_steps=50)
    with pytest.raises(SpecError, match=r"obs 'pixels/wrist': expected .*\(16, 16, 3\).* got .*\(8, 8, 3\)"):
        list(read_demos(path, live))
    with pytest.raises(SpecError, match=r"rate: expected 20.0 Hz, got 10.0 Hz"):
        list(read_demos(path, EnvSpec(obs=SPEC.obs, action=SPEC.action, rate_hz=20.0, max_steps=50)))


def test_foreign_files(tmp_path: Path) -> None:
    path = tmp_path / "d.hdf5"
    with pytest.raises(DataError, match="no such file"):
        list(read_demos(path))
    path.write_text("episode,reward\n" * 100)
    with pytest.raises(DataError, match="expected an HDF5 file, got 1500 bytes"):
        inspect_demos(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="got 0 bytes"):
        inspect_demos(path)
    with h5py.File(path, "w") as file:
        file["data/demo_0/actions"] = np.zeros((3, 7))
    with pytest.raises(DataError, match=r"expected schema .* got none"):
        inspect_demos(path)


def put(key: str, value: np.ndarray | None) -> Callable[[h5py.File], None]:
    def damage(file: h5py.File) -> None:
        del file[key]
        if value is not None:
            file[key] = value

    return damage


def change(key: str, index: tuple[int, ...], value: float | bytes) -> Callable[[h5py.File], None]:
    return lambda file: file[key].__setitem__(index, value)


def label(key: str, value: object) -> Callable[[h5py.File], None]:
    return lambda file: file["data"].attrs.__setitem__(key, value)


def clear(file: h5py.File) -> None:
    del file["data/demo_0"], file["data/demo_1"]
    file["data"].attrs["total"] = 0


DEMO = "data/demo_1"
DAMAGE = {
    "empty": (clear, r"at least one episode"),
    "fewer": (put("data/demo_0", None), r"expected 8 steps in all, got 4"),
    "missing": (put(f"{DEMO}/obs/pixels.front", None), r"demo_1: expected an intact .* got KeyError.*front"),
    "lengths": (
        put(f"{DEMO}/actions", np.zeros((7, 4), np.float32)),
        r"actions: expected float32 \(4, 4\), got .*\(7, 4\)",
    ),
    "sizes": (
        put(f"{DEMO}/obs/pixels.front", np.zeros((4, 9, 8, 3), np.uint8)),
        r"demo_1/obs/pixels/front: expected uint8 \(4, 8, 8, 3\), got uint8 \(4, 9, 8, 3\)",
    ),
    "nan": (change(f"{DEMO}/actions", (1, 2), np.nan), r"demo_1/actions: expected finite"),
    "range": (change(f"{DEMO}/actions", (1, 2), 2.0), r"demo_1/actions: expected values in \[-1, 1\]"),
    "spec": (label("obs_spec", np.bytes_(b'{"pixels/front": {"shape": "big"}}')), r"specs: expected an env spec"),
    "json": (label("obs_spec", np.bytes_(b'{"pixels/')), r"specs: expected an intact .* JSONDecodeError"),
    "schema": (label("schema", "robolearn-demos/99"), r"got robolearn-demos/99"),
    "source": (change(f"{DEMO}/source", (0,), b"ghost"), r"demo_1/source: expected one of .*demo.* got ghost"),
    "kind": (put("data", np.zeros(3)), r"not a group"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_inconsistent_files(tmp_path: Path, case: str) -> None:
    path = write_demos(tmp_path / "d.hdf5", SPEC, [episode(0), episode(1)])
    damage, message = DAMAGE[case]
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises((DataError, SpecError), match=message) as caught:
        list(read_demos(path, SPEC))
    assert "d.hdf5" in str(caught.value)


def test_truncated_anywhere(tmp_path: Path) -> None:
    path = write_demos(tmp_path / "d.hdf5", SPEC, [episode(0), episode(1)])
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for size in [1, 8, len(whole) - 1, *rng.integers(0, len(whole), 40)]:
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"d\.hdf5"):
            list(read_demos(path, SPEC))


def test_flipped_bytes_never_pass_unnoticed(tmp_path: Path) -> None:
    path = write_demos(tmp_path / "d.hdf5", SPEC, [episode(0), episode(1)])
    whole = path.read_bytes()
    good = list(read_demos(path, SPEC))
    rng = np.random.default_rng(1)
    noticed = 0
    for offset in rng.integers(0, len(whole), 150):
        damaged = bytearray(whole)
        damaged[offset] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            read = list(read_demos(path, SPEC))
        except (DataError, SpecError):
            noticed += 1
            continue
        for mine, other in zip(good, read, strict=True):
            for a, b in zip(mine, other, strict=True):
                assert_same(a, b)
    assert noticed > 20


def test_full_disk_leaves_nothing(tmp_path: Path) -> None:
    code = f"""
import resource, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_demos import SPEC, episode
from robolearn.core.errors import DataError
from robolearn.data import write_demos
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    write_demos(Path("d.hdf5"), SPEC, (episode(i, 20) for i in range(20)))
except DataError as error:
    sys.exit(0 if "room to write" in str(error) else 3)
sys.exit(4)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
