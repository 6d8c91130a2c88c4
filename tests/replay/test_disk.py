"""What is on disk after a kill, a full device or damage, and what going on from there gives."""

import random
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from robolearn.core.errors import ConfigError, DataError, SpecError
from robolearn.core.learning import BatchSpec
from robolearn.core.specs import ArraySpec
from robolearn.core.types import Source
from robolearn.replay import Replay

HEADER = 64
EPISODE = 9
WRITER = textwrap.dedent(
    """
    import itertools, sys
    from pathlib import Path
    import numpy as np
    from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, ArraySpec, EnvSpec
    from robolearn.core.errors import DataError
    from robolearn.core.types import Source, Step
    from robolearn.replay import Replay

    side = 32
    spec = EnvSpec(
        obs={"pixels/front": ArraySpec((side, side, 3), "uint8"), "proprio/arm.q": ArraySpec((2,), "float32")},
        action=ActionSpec((ActionPart(arm="arm", kind=ActionKind.JOINT_DELTA, size=2),)), rate_hz=10.0, max_steps=50,
    )

    def step(number, t):
        return Step(
            obs={"pixels/front": np.full((side, side, 3), number % 256, np.uint8),
                 "proprio/arm.q": np.full(2, number, np.float32)},
            action=np.zeros(2, np.float32), rewards={"task": float(number)},
            is_first=t == 0, is_last=t == 9, is_terminal=t == 9,
            source=Source.DEMO if number < 20 else Source.ONLINE,
        )
    """
)
ENDLESS = WRITER + textwrap.dedent(
    """
    replay = Replay(spec, int(sys.argv[2]), directory=Path(sys.argv[1]))
    print("ready", flush=True)
    for number in itertools.count():
        replay.add(step(number, number % 10), 0)
        replay.add(step(number, number % 10), 1)
        if number % 10 == 9:
            print(number, flush=True)
        if number % 200 == 199:
            replay.mark()
    """
)
FULL = WRITER + textwrap.dedent(
    """
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    replay = Replay(spec, 1000, directory=Path(sys.argv[1]))
    number = 0
    try:
        for number in range(1000):
            replay.add(step(number + 20, number % 10), 0)
    except DataError as error:
        print(number, error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    if len(sys.argv) > 3:
        replay.close()
    """
)
HALF_FULL = WRITER + textwrap.dedent(
    """
    import resource
    replay = Replay(spec, 1000, directory=Path(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    for t in range(4):
        replay.add(step(t, t), 0)
    try:
        for t in range(10):
            replay.add(step(20 + t, t), 1)
    except DataError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for t in range(4, 10):
        replay.add(step(t, t), 0)
    replay.close()
    """
)


@pytest.fixture
def written():
    """The spec of the writers above."""
    names: dict = {}
    exec(WRITER, names)
    return names["spec"]


@pytest.fixture
def store(spec, episode, tmp_path):
    """A closed store of five episodes of ten rows, the first a demonstration."""
    replay = Replay(spec, 200, directory=tmp_path / "store")
    replay.put(episode(EPISODE, 0, source=Source.DEMO), 0)
    for k in range(1, 5):
        replay.put(episode(EPISODE, 10 * k), k % 2)
    replay.close()
    return tmp_path / "store"


def check_rows(replay):
    """Every pair that can be drawn is of two consecutive numbers, all columns of a row agreeing."""
    got = replay.sample(BatchSpec(size=512), np.random.default_rng(0))
    number = got["obs/proprio/arm.q"][:, 0]
    assert (got["next_obs/proprio/arm.q"][:, 0] == number + 1).all()
    assert (got["obs/pixels/front"][:, 0, 0, 0] == number % 256).all()
    assert (got["next_obs/pixels/front"][:, -1, -1, -1] == (number + 1) % 256).all()
    assert (got["reward"] == number).all()
    assert (got["discount"] == np.where(number % 10 == 8, 0.0, np.float32(0.99))).all()


@pytest.mark.parametrize("seed", range(6))
def test_a_killed_process_loses_at_most_the_episodes_in_flight(written, tmp_path, seed):
    capacity = 400 if seed % 2 else 20_000
    arguments = [sys.executable, "-c", ENDLESS, str(tmp_path / "store"), str(capacity)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(random.Random(seed).uniform(0.01, 0.4))
    process.send_signal(signal.SIGKILL)
    said = [int(line) for line in process.stdout.read().split("\n")[:-1]]
    process.wait()
    replay = Replay.open(tmp_path / "store", written, capacity)
    ends = {int(list(replay.iterate(e))[-1].obs["proprio/arm.q"][0]) for e in replay.episodes()}
    newest = said[-(capacity // 20) + 4 :] if len(said) > capacity // 20 else said
    assert set(newest) <= ends
    if said:
        check_rows(replay)
        assert replay.rows()["demo"] == 2 * 9 * min(2, len(ends))
    # It goes on, and a second opening finds both parts.
    count = len(replay.episodes())
    steps = [s for e in replay.episodes()[-1:] for s in replay.iterate(e)]
    replay.put(steps, 5)
    replay.close()
    if steps and capacity > 1000:
        replay = Replay.open(tmp_path / "store", written, capacity)
        assert len(replay.episodes()) == count + 1
        replay.close()


def test_an_episode_in_flight_stays_a_fragment_with_an_end(spec, episode, tmp_path):
    replay = Replay(spec, 200, directory=tmp_path / "store")
    replay.put(episode(EPISODE), 0)
    replay.put(episode(EPISODE, 100)[:4], 1)
    replay.flush()  # the process dies here
    replay._disk.close()
    again = Replay.open(tmp_path / "store", spec, 200)
    assert again.rows()["any"] == 9 + 3
    again.put(episode(EPISODE, 500)[2:], 1)
    got = again.sample(BatchSpec(size=512, n_step=5), np.random.default_rng(0))
    same = (got["obs/proprio/arm.q"][:, 0] < 200) == (got["next_obs/proprio/arm.q"][:, 0] < 200)
    assert same.all()
    assert again.rows()["any"] == 9 + 3 + 7
    again.close()


@pytest.mark.parametrize("lost", [1, 3, 4, 50, 100])
def test_a_torn_tail_is_cut_off(spec, store, lost):
    path = max(store.glob("online-*.rows"))
    path.write_bytes(path.read_bytes()[:-lost])
    replay = Replay.open(store, spec, 200)
    assert len(replay) == 49
    check_rows_of(replay)
    replay.close()
    assert len(Replay.open(store, spec, 200)) == 49


def test_blocks_of_zeros_after_a_power_cut_are_cut_off(spec, store):
    path = max(store.glob("online-*.rows"))
    whole = path.read_bytes()
    width = (len(whole) - HEADER) // round((len(whole) - HEADER) / 110)
    path.write_bytes(whole[: -2 * width - 5] + bytes(2 * width + 5))
    replay = Replay.open(store, spec, 200)
    assert 45 <= len(replay) <= 48
    check_rows_of(replay)
    replay.close()


def check_rows_of(replay):
    got = replay.sample(BatchSpec(size=256), np.random.default_rng(0))
    assert (got["next_obs/proprio/arm.q"][:, 0] == got["obs/proprio/arm.q"][:, 0] + 1).all()


def test_damage_names_the_file_and_the_byte(spec, store):
    path = min(store.glob("online-*.rows"))
    data = bytearray(path.read_bytes())
    data[HEADER + 10] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"online-00000000.rows, byte 64: expected a record with a correct checksum"):
        Replay.open(store, spec, 200)
    data[HEADER + 10] ^= 1
    path.write_bytes(b"HDF5" + data[4:])
    with pytest.raises(DataError, match=r"online-00000000.rows, byte 0: expected a replay file"):
        Replay.open(store, spec, 200)
    path.write_bytes(data)
    assert len(Replay.open(store, spec, 200)) == 50


def test_an_older_file_must_be_whole(spec, episode, tmp_path):
    replay = Replay(spec, 64, directory=tmp_path / "store")  # eight rows a file
    replay.put(episode(30), 0)
    replay.close()
    path = sorted((tmp_path / "store").glob("online-*.rows"))[1]
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(DataError, match=r"online-00000001.rows, byte \d+: expected a whole record"):
        Replay.open(tmp_path / "store", spec, 64)


@pytest.mark.parametrize("content", [b"", b"{", b'{"columns": 3}', b"\xff\xfe"])
def test_a_damaged_manifest_is_named(spec, store, content):
    (store / "manifest.json").write_bytes(content)
    with pytest.raises(DataError, match=r"manifest.json: expected the manifest of a replay store"):
        Replay.open(store, spec, 200)


def test_a_store_is_not_opened_as_what_it_is_not(spec, store, tmp_path):
    with pytest.raises(DataError, match="no such file"):
        Replay.open(tmp_path / "elsewhere", spec, 200)
    with pytest.raises(DataError, match=r"use Replay\.open"):
        Replay(spec, 200, directory=store)
    with pytest.raises(SpecError, match=r"column 'reward/bonus': expected \('float32', \(\)\), got absent"):
        Replay.open(store, spec, 200, rewards=("task", "bonus"))
    larger = type(spec)(
        obs={**spec.obs, "pixels/front": ArraySpec((8, 8, 3), "uint8")}, action=spec.action, rate_hz=10, max_steps=50
    )
    with pytest.raises(SpecError, match=r"obs/pixels/front': expected \('uint8', \(8, 8, 3\)\)"):
        Replay.open(store, larger, 200)
    with pytest.raises(ConfigError, match="at least 10 rows of demonstrations"):
        Replay.open(store, spec, 5)


def test_two_processes_do_not_share_a_store(spec, store):
    replay = Replay.open(store, spec, 200)
    with pytest.raises(DataError, match="expected to be its only user"):
        Replay.open(store, spec, 200)
    replay.close()
    replay.close()
    Replay.open(store, spec, 200).close()


@pytest.mark.parametrize("limit", [20_000, 47_123, 100_001])
def test_a_full_disk_is_one_clear_error_and_leaves_whole_steps(written, tmp_path, limit):
    command = [sys.executable, "-c", FULL, str(tmp_path / "store"), str(limit)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.count("expected room for the new steps, got File too large; free some space") == 1
    number = int(said.split()[0])
    replay = Replay.open(tmp_path / "store", written, 1000)
    assert len(replay) == number // 10 * 10
    assert len(replay) % 10 == 0
    if len(replay):
        check_rows(replay)
    replay.close()


def test_what_did_not_fit_is_written_once_there_is_room(written, tmp_path):
    command = [sys.executable, "-c", FULL, str(tmp_path / "store"), "47123", "then make room"]
    number = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0])
    replay = Replay.open(tmp_path / "store", written, 1000)
    assert len(replay) == number + 1
    check_rows(replay)
    replay.close()


def test_a_row_is_not_written_twice_after_half_a_flush_failed(written, tmp_path):
    """The demonstrations fit, the other rows do not."""
    command = [sys.executable, "-c", HALF_FULL, str(tmp_path / "store")]
    assert "room for the new steps" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    replay = Replay.open(tmp_path / "store", written, 1000)
    assert len(replay) == 20
    assert len(replay.episodes()) == 2
    check_rows(replay)
    replay.close()


def test_files_that_nothing_needs_are_removed(spec, episode, tmp_path):
    replay = Replay(spec, 64, directory=tmp_path / "store")
    replay.put(episode(EPISODE, source=Source.DEMO), 0)

    def size():
        return sum(path.stat().st_size for path in (tmp_path / "store").iterdir())

    sizes = []
    for k in range(40):
        replay.put(episode(EPISODE, 10 * k), k % 3)
        sizes.append(size())
        if k in (20, 21):
            replay.mark()
    assert max(sizes[8:20]) < 1.5 * sizes[6]
    assert sizes[-1] > 2 * sizes[20]  # kept for the marks
    replay.mark()
    replay.mark()
    replay.put(episode(EPISODE), 0)
    assert size() < 1.5 * sizes[6]
    replay.close()


def test_only_the_newest_two_marks_can_be_returned_to(spec, episode, tmp_path):
    replay = Replay(spec, 64, directory=tmp_path / "store")
    marks = []
    for k in range(40):
        replay.put(episode(EPISODE, 10 * k), 0)
        if k % 10 == 9:
            marks.append((replay.mark(), replay.rows(), replay.episodes()))
    replay.close()
    for back in (-1, -2):
        mark, rows, episodes = marks[back]
        replay = Replay.open(tmp_path / "store", spec, 64)
        replay.rollback(mark)
        assert (replay.rows(), replay.episodes()) == (rows, episodes)
        replay.close()
    replay = Replay.open(tmp_path / "store", spec, 64)
    with pytest.raises(DataError, match="newest two checkpoints"):
        replay.rollback(marks[0][0])
    with pytest.raises(DataError, match="expected 400 rows, got 300"):
        replay.rollback(marks[-1][0])
    replay.close()
    replay = Replay.open(tmp_path / "store", spec, 65)
    with pytest.raises(DataError, match="resume with the capacity of the run"):
        replay.rollback(marks[-2][0])
    replay.close()


def test_a_smaller_capacity_keeps_the_newest_and_the_demonstrations(spec, store):
    replay = Replay.open(store, spec, 30)
    assert replay.rows() == {"any": 27, "demo": 9, "online": 18, "intervention": 0, "success": 0}
    replay.close()
