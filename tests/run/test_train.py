"""Whole training runs through the command line: results, interruption, both ways to resume, and bad input."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from robolearn.cli.main import main
from robolearn.log.sinks import read_metrics

SMALL = [
    "env=pick_cube",
    "env.image_size=32",
    "env.max_steps=30",
    "demos.count=2",
    "max_env_steps=200",
    "threads=1",
    "log_every=10",
    "checkpoint_every=30",
    "evaluation.check_every=60",
    "evaluation.check_episodes=2",
    "evaluation.episodes=2",
    "evaluation.envs=2",
    "evaluation.videos=1",
    "agent.batch=16",
    "agent.bc.updates=20",
    "agent.bc.batch=16",
    "agent.warmup_steps=20",
    "agent.encoder.refresh_at=[70,130]",
    "agent.encoder.refresh_updates=6",
]
CLOCKED = ("time_s", "speed/env_steps_per_s", "speed/updates_per_s")


def command(*overrides: str) -> list[str]:
    return [sys.executable, "-m", "robolearn.cli.main", "train", *overrides]


def metrics(run: Path) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k not in CLOCKED} for row in read_metrics(run / "metrics.jsonl")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    assert main(["train", *SMALL, f"root={root}", "name=straight"]) == 0
    return root / "straight"


def test_a_run_leaves_everything(finished, capsys):
    result = json.loads((finished / "result.json").read_text())
    assert result["stopped"] == "budget"
    assert result["env_steps"] == 200
    assert result["episodes"] == 2
    assert result["bc_episodes"] == 2
    assert result["train_s"] == pytest.approx(result["demo_s"] + result["bc_s"] + result["rl_s"])
    for name in ("config.yaml", "info.json", "report.html", "demos.png", "videos/policy.mp4", "policy/spec.json"):
        assert (finished / name).stat().st_size > 0
    assert "<html" in (finished / "report.html").read_text()[:200]


def test_a_run_without_cameras_trains_from_state(tmp_path, capsys):
    small = [word for word in SMALL if "encoder" not in word and "image" not in word]
    overrides = ["env.observation=state", "max_env_steps=60", "evaluation.videos=0", f"root={tmp_path}", "name=blind"]
    assert main(["train", *small, *overrides]) == 0
    result = json.loads((tmp_path / "blind" / "result.json").read_text())
    assert (result["env_steps"], result["demos"]) == (60, 2)
    assert not (tmp_path / "blind" / "demos.png").exists()
    assert (tmp_path / "blind" / "report.html").is_file()


@pytest.mark.parametrize("nudge", [0.0, 0.3])
def test_a_run_from_a_recorded_file_is_the_run_that_records_by_itself(nudge, tmp_path):
    file = tmp_path / "demos.hdf5"
    recording = [word for word in SMALL if word.startswith("env")]
    assert main(["record", *recording, "episodes=2", f"nudge={nudge}", f"out={file}"]) == 0
    small = [*SMALL, "max_env_steps=60", "evaluation.videos=0", f"root={tmp_path}"]
    assert main(["train", *small, f"demos.path={file}", "name=read"]) == 0
    assert main(["train", *small, f"demos.nudge={nudge}", "name=recorded"]) == 0
    assert metrics(tmp_path / "read") == metrics(tmp_path / "recorded")


def test_the_policy_that_a_run_leaves_is_that_of_its_best_check(tmp_path, capsys):
    task = "env=reach env.observation=state demos.count=10 threads=1 max_env_steps=100 checkpoint_every=30"
    cloning = "agent.bc.updates=800 agent.warmup_steps=10"
    spoiling = "agent.actor.lr=0.3 agent.actor.wait=30 agent.actor.every=1 agent.bc.weight=0 agent.bc.weight_end=0"
    checking = ["check_every=20", "check_episodes=10", "consecutive=9", "episodes=10", "envs=5", "videos=0"]
    words = [*f"{task} {cloning} {spoiling}".split(), *(f"evaluation.{word}" for word in checking)]
    assert main(["train", *words, f"root={tmp_path}", "name=spoilt"]) == 0
    run = tmp_path / "spoilt"
    checks = [row["check/success"] for row in read_metrics(run / "metrics.jsonl") if "check/success" in row]
    best = max(i for i, success in enumerate(checks) if success == max(checks))
    assert checks[best] > checks[-1] + 0.2
    capsys.readouterr()
    seeds = f"first_seed={10_000 + 10 * best}"
    assert main(["evaluate", f"run={run}", "episodes=10", seeds, "envs=5", "videos=0"]) == 0
    assert json.loads(capsys.readouterr().out.strip().splitlines()[-1])["success"] == checks[best]
    assert main(["evaluate", f"run={run}", "episodes=10", "envs=5", "videos=0"]) == 0
    held_out = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert held_out["success"] == json.loads((run / "result.json").read_text())["success"]


def test_evaluate_ends_with_one_json_object(finished, capsys):
    assert main(["evaluate", f"run={finished}", "episodes=3", "envs=2", "videos=0"]) == 0
    summary = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert summary["episodes"] == 3
    assert 0.0 <= summary["wilson_low"] <= summary["success"] <= summary["wilson_high"] <= 1.0


def test_exact_resume_after_kill_9_gives_the_same_metrics(finished, tmp_path):
    name = "killed"
    arguments = [*SMALL, "evaluation.videos=0", f"root={tmp_path}", f"name={name}"]
    total = len(metrics(finished))
    for share in (0.1, 0.4, 0.7):
        process = subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        path = tmp_path / name / "metrics.jsonl"
        while process.poll() is None and (not path.is_file() or len(path.read_bytes().splitlines()) < share * total):
            time.sleep(0.005)
        process.kill()
        process.wait()
        arguments = [f"resume={tmp_path / name}"]
    assert subprocess.run(command(*arguments), capture_output=True, check=False).returncode == 0
    assert metrics(tmp_path / name) == metrics(finished)
    straight, resumed = (json.loads((run / "result.json").read_text()) for run in (finished, tmp_path / name))
    same = ("success", "bc_success", "env_steps", "updates")
    assert {key: straight[key] for key in same} == {key: resumed[key] for key in same}


def test_keep_resume_loses_at_most_the_episode_in_flight(tmp_path):
    arguments = [*SMALL, "evaluation.videos=0", f"root={tmp_path}", "name=kept", "checkpoint_every=0"]
    process = subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    path = tmp_path / "kept" / "metrics.jsonl"
    while process.poll() is None:
        rows = read_metrics(path) if path.is_file() else []
        if sum("episode/length" in row for row in rows) >= 4:
            break
        time.sleep(0.005)
    process.kill()
    process.wait()
    finished_steps = sum(row["episode/length"] for row in read_metrics(path) if "episode/length" in row)
    assert main(["train", f"resume={tmp_path / 'kept'}", "resume_mode=keep"]) == 0
    steps = [row["step"] for row in read_metrics(path)]
    first_after = next(step for step in steps if step > finished_steps)
    assert first_after >= finished_steps
    assert json.loads((tmp_path / "kept" / "result.json").read_text())["env_steps"] >= 200


def test_sigterm_checkpoints_and_exits_cleanly(tmp_path):
    arguments = [*SMALL, f"root={tmp_path}", "name=stopped", "max_env_steps=100000"]
    process = subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    path = tmp_path / "stopped" / "metrics.jsonl"
    while not path.is_file() or len(path.read_bytes().splitlines()) < 12:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert f"robolearn train resume={tmp_path / 'stopped'}" in out
    assert json.loads(out.strip().splitlines()[-1])["stopped"] == "interrupted"
    assert list((tmp_path / "stopped" / "checkpoints").glob("*/DONE"))


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["train", "agent.critc.tau=1"], "critic"),
        (["train", "env.image_size=4"], "image_size"),
        (["train", "env.cameras=[front,side]"], "wrist"),
        (["train", "resume=/nowhere/at/all"], "config.yaml"),
        (["train", "demos.nudge=1.3"], "demos.nudge"),
        (["record", "nudge=-0.3"], "nudge"),
        (["evaluate", "run=/nowhere/at/all"], "config.yaml"),
        (["show", "/nowhere/at/all.hdf5"], "/nowhere/at/all.hdf5"),
        (["trian"], "did you mean train"),
        (["bench", "what=lern"], "did you mean learn"),
    ],
)
def test_bad_input_is_one_clear_error(words, hint, capsys):
    assert main(words) == 2
    error = capsys.readouterr().err
    assert hint in error
    assert "Traceback" not in error


def test_a_damaged_checkpoint_is_named_and_nothing_is_lost(finished, tmp_path, capsys):
    import shutil

    run = tmp_path / "damaged"
    shutil.copytree(finished, run)
    newest = max((run / "checkpoints").glob("*/agent*"), key=lambda p: int(p.parent.name))
    raw = bytearray(newest.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    newest.write_bytes(raw)
    before = (run / "metrics.jsonl").read_bytes()
    assert main(["train", f"resume={run}"]) == 2
    assert newest.name in capsys.readouterr().err.replace("\n", "")
    assert (run / "metrics.jsonl").read_bytes() == before


def test_a_policy_for_another_spec_is_refused_by_name(finished, tmp_path, capsys):
    import shutil

    run = tmp_path / "other"
    shutil.copytree(finished, run)
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("image_size: 32", "image_size: 48"))
    assert main(["evaluate", f"run={run}", "episodes=1"]) == 2
    assert "pixels/front" in capsys.readouterr().err.replace("\n", "")
