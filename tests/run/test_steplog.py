"""The log of an actor: whatever it was told is there after a crash, and damage is named."""

import resource

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robolearn.core.errors import DataError
from robolearn.run.steplog import MAGIC, StepLog

RECORDS = [b"first", b"", b"third record", bytes(range(256))]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "actor" / "steps.log"


@pytest.fixture
def written(path):
    with StepLog(path) as log:
        assert [log.append(record) for record in RECORDS] == [0, 1, 2, 3]
    return path


def test_a_log_goes_on_where_it_ended(written):
    with StepLog(written) as log:
        before = log.id
        assert [log[number] for number in range(len(log))] == RECORDS
        assert log.append(b"more") == 4
    with StepLog(written) as log:
        assert log.id == before
        assert log[4] == b"more"


def test_every_log_has_another_identity(tmp_path):
    with StepLog(tmp_path / "a") as first, StepLog(tmp_path / "b") as second:
        assert first.id != second.id
        assert len(first.id) == 32


def test_wherever_a_log_is_cut_off_all_whole_records_remain(written, tmp_path):
    whole = written.read_bytes()
    header = len(MAGIC) + 33
    for size in range(header, len(whole)):
        cut = tmp_path / f"cut{size}"
        cut.write_bytes(whole[:size])
        with StepLog(cut) as log:
            kept = [log[number] for number in range(len(log))]
            assert kept == RECORDS[: len(kept)]
            log.append(b"after")
        with StepLog(cut) as log:
            assert [log[number] for number in range(len(log))] == [*kept, b"after"]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_is_named_and_loses_nothing(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("log") / "steps.log"
    with StepLog(path) as log:
        for record in RECORDS:
            log.append(record)
    whole = bytearray(path.read_bytes())
    at = data.draw(st.integers(len(MAGIC) + 33, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    with pytest.raises(DataError, match="damaged"):
        StepLog(path)
    assert path.read_bytes() == whole


def test_another_file_is_refused(tmp_path):
    other = tmp_path / "notes.txt"
    other.write_text("not a log of steps, but something that somebody wants to keep")
    with pytest.raises(DataError, match="another file"):
        StepLog(other)
    assert other.read_text().startswith("not a log")


def test_two_actors_cannot_write_one_log(written):
    with StepLog(written), pytest.raises(DataError, match="in use"):
        StepLog(written)


@pytest.mark.parametrize("room", [0, 7, 20])
def test_a_full_disk_is_said_and_leaves_the_log_as_it_was(room, written):
    whole = written.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with StepLog(written) as log:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + room, limits[1]))  # Python ignores SIGXFSZ
        try:
            with pytest.raises(DataError, match="room on the disk"):
                log.append(b"too much for that")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert written.read_bytes() == whole
        assert log.append(b"again") == 4
        assert log[4] == b"again"
