"""Metric files: nothing whole is lost on a kill, nothing half stays, a roll-back forgets what came later."""

import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from robolearn.core.errors import DataError
from robolearn.log.info import run_info
from robolearn.log.sinks import JsonlSink, TensorBoardSink, read_metrics


def test_one_object_a_step(tmp_path: Path) -> None:
    sink = JsonlSink(tmp_path / "deep" / "metrics.jsonl")
    sink([(40, "train/critic_loss", torch.tensor(0.25)), (40, "time_s", 1.5)])
    sink([(41, "episode/success", True), (42, "episode/success", False)])
    sink([])
    sink([(43, "train/q", float("nan")), (43, "train/max", float("inf"))])
    sink.close()
    sink.close()
    lines = (tmp_path / "deep" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"step": 40, "train/critic_loss": 0.25, "time_s": 1.5},
        {"step": 41, "episode/success": 1.0},
        {"step": 42, "episode/success": 0.0},
        {"step": 43, "train/q": None, "train/max": None},
    ]
    rows = read_metrics(tmp_path / "deep" / "metrics.jsonl")
    assert rows[0]["time_s"] == 1.5
    assert math.isnan(rows[3]["train/q"])


def test_a_torn_last_line_is_left_out_and_repaired(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1, "a": 2}\n{"step": 2, "a"')
    assert read_metrics(path) == [{"step": 1, "a": 2}]
    sink = JsonlSink(path)
    sink([(3, "a", 4)])
    assert read_metrics(path) == [{"step": 1, "a": 2}, {"step": 3, "a": 4}]


def test_damage_elsewhere_is_an_error_and_never_repaired_away(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\nrubbish\n{"step": 2}\n')
    JsonlSink(path).close()
    with pytest.raises(DataError, match=r"line 2: expected a JSON object with a step, got b'rubbish"):
        read_metrics(path)
    with pytest.raises(DataError, match="No such file"):
        read_metrics(tmp_path / "none.jsonl")


def test_truncate_to(tmp_path: Path) -> None:
    sink = JsonlSink(tmp_path / "m.jsonl")
    for step in (0, 10, 10, 20, 30):
        sink([(step, "a", step)])
    sink.truncate_to(3)
    sink([(15, "a", 1)])
    assert [row["step"] for row in read_metrics(tmp_path / "m.jsonl")] == [0, 10, 10, 15]
    sink.truncate_to(0)
    assert read_metrics(tmp_path / "m.jsonl") == []


def test_kill_9_costs_at_most_the_line_being_written(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\nfrom robolearn.log.sinks import JsonlSink\nsink = JsonlSink(Path('m.jsonl'))\n"
        "for step in range(10**9):\n    sink([(step, 'a', step)])\n    print(step, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    seen = [int(line) for line in process.stdout.read().splitlines() if line]
    process.stdout.close()
    process.wait()
    rows = [row["step"] for row in read_metrics(tmp_path / "m.jsonl")]
    assert rows == list(range(len(rows)))
    assert len(rows) >= seen[-2] + 1


def test_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom robolearn.core.errors import DataError\n"
        "from robolearn.log.sinks import JsonlSink\nresource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))\n"
        "sink = JsonlSink(Path('m.jsonl'))\n"
        "try:\n    for step in range(100):\n        sink([(step, 'name', step)])\n"
        "except DataError as error:\n    sys.exit('room to write' not in str(error))\nsys.exit(3)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    data = (tmp_path / "m.jsonl").read_bytes()
    assert data.endswith(b"\n")
    assert len(read_metrics(tmp_path / "m.jsonl")) == data.count(b"\n") > 3


def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    sink = TensorBoardSink(tmp_path)
    for step in range(5):
        sink([(step, "train/loss", torch.tensor(step / 4))])
    sink.close()
    sink.close()
    events = accumulator.EventAccumulator(str(tmp_path)).Reload()
    assert [(e.step, e.value) for e in events.Scalars("train/loss")] == [(i, i / 4) for i in range(5)]


def test_run_info_is_json_and_names_versions_and_machine() -> None:
    info = json.loads(json.dumps(run_info()))
    assert info["packages"]["torch"] == torch.__version__
    assert info["machine"]["cores"] >= 1
    assert info["machine"]["cpu"]
    assert {"git", "python", "command"} <= info.keys()
