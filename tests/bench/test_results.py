import io
import json
import subprocess
from datetime import datetime

from rich.console import Console

from robolearn.bench import print_table, write_result
from robolearn.bench.results import git_commit, machine


def test_a_result_says_how_it_was_made(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/robolearn", "bench", "env", "out=a b"])
    path = write_result("learn/easy/3", {"success": 1.0, "vs_peer": None}, root=tmp_path)

    document = json.loads(path.read_text())

    assert path == tmp_path / "learn" / "easy" / "3.json"
    assert document["result"] == {"success": 1.0, "vs_peer": None}
    assert document["command"] == "robolearn bench env 'out=a b'"
    assert datetime.fromisoformat(document["date"]).tzinfo is not None
    assert document["machine"]["cores"] >= 1
    assert document["machine"]["versions"]["numpy"].count(".") == 2
    assert list(path.parent.iterdir()) == [path]


def test_the_commit_is_that_of_the_checkout():
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if head.returncode == 0:
        assert (git_commit() or "").removesuffix("+changes") == head.stdout.strip()
    else:
        assert git_commit() is None


def test_the_machine_is_named_without_a_path():
    assert "/" not in str(machine()["system"])
    assert machine()["cpu"]


def test_the_table_shows_nested_figures_and_dashes():
    out = io.StringIO()
    print_table("env", {"steps_per_s": 612.3456, "vs_gym_hil": None, "stages": {"render_ms": 0.71}}, Console(file=out))
    text = out.getvalue()
    assert "612.3" in text
    assert "stages.render_ms" in text
    assert any(line.replace("│", "").split() == ["vs_gym_hil", "-"] for line in text.splitlines()), text
