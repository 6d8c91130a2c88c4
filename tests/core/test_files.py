import json
import shutil

import pytest

from robolearn.core.errors import CheckpointError
from robolearn.core.files import replace_file, settle_folder, verify_folder, write_folder


def write(folder, content=b"abc", step=1):
    def fill(writer):
        with writer.open("weights.bin") as file:
            file.write(content[:1])
            file.write(content[1:])

    write_folder(folder, "DONE", {"schema": "test/1", "step": step}, fill)


def test_a_folder_lists_what_it_holds_and_passes_its_own_check(tmp_path):
    write(tmp_path / "10")
    described = verify_folder(tmp_path / "10", "DONE", "test/1")
    assert described["step"] == 1
    assert described["files"] == {"weights.bin": [3, 0x352441C2]}  # CRC-32 of "abc"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["10"]


@pytest.mark.parametrize("content", [b"abd", b"ab", b"abcd"])
def test_every_damage_is_found(tmp_path, content):
    write(tmp_path / "10")
    (tmp_path / "10" / "weights.bin").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"weights\.bin"):
        verify_folder(tmp_path / "10", "DONE", "test/1")


def test_missing_and_foreign_are_told_apart(tmp_path):
    with pytest.raises(CheckpointError, match="no such file"):
        verify_folder(tmp_path / "none", "DONE", "test/1")
    write(tmp_path / "10")
    with pytest.raises(CheckpointError, match="foreign"):
        verify_folder(tmp_path / "10", "DONE", "other/1")
    (tmp_path / "10" / "weights.bin").unlink()
    with pytest.raises(CheckpointError, match=r"weights\.bin"):
        verify_folder(tmp_path / "10", "DONE", "test/1")


@pytest.mark.parametrize("marker", ["{", "[]", '{"schema": "test/1"}', '{"schema": "test/1", "files": {"a": 1}}'])
def test_a_damaged_marker_is_one_clear_error(tmp_path, marker):
    (tmp_path / "DONE").write_text(marker)
    with pytest.raises(CheckpointError, match="DONE"):
        verify_folder(tmp_path, "DONE", "test/1")


def test_a_marker_cannot_reach_outside_of_its_folder(tmp_path):
    (tmp_path / "secret").write_text("x")
    (tmp_path / "in").mkdir()
    marker = {"schema": "test/1", "files": {"../secret": [1, 0]}}
    (tmp_path / "in" / "DONE").write_text(json.dumps(marker))
    with pytest.raises(CheckpointError, match="plain file names"):
        verify_folder(tmp_path / "in", "DONE", "test/1")


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    write(tmp_path / "policy", b"old", step=1)

    def fail(writer):
        with writer.open("weights.bin") as file:
            file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(CheckpointError, match="room to write"):
        write_folder(tmp_path / "policy", "DONE", {"schema": "test/1", "step": 2}, fail)
    assert verify_folder(tmp_path / "policy", "DONE", "test/1")["step"] == 1
    write(tmp_path / "policy", b"new", step=2)
    assert verify_folder(tmp_path / "policy", "DONE", "test/1")["step"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["policy"]


def test_a_swap_that_was_cut_off_is_undone(tmp_path):
    write(tmp_path / "policy")
    shutil.move(tmp_path / "policy", tmp_path / ".policy.old")
    (tmp_path / ".policy.building").mkdir()
    settle_folder(tmp_path / "policy")
    verify_folder(tmp_path / "policy", "DONE", "test/1")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["policy"]


def test_a_small_file_is_replaced_whole(tmp_path):
    replace_file(tmp_path / "latest", "10")
    replace_file(tmp_path / "latest", "20")
    assert (tmp_path / "latest").read_text() == "20"
    with pytest.raises(CheckpointError, match="older files are untouched"):
        replace_file(tmp_path / "nowhere" / "latest", "30")
