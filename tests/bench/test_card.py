"""The card of a task says what the task is, and its sheet shows it."""

import json

from PIL import Image

from robolearn.bench.card import FRAME, MOMENTS, RESETS, task_card, task_sheet
from robolearn.cli.show import main
from robolearn.envs.tasks.reach import ReachConfig


def test_the_card_names_spaces_reward_ranges_expert_and_what_was_learned(tmp_path):
    result = {"env": "reach", "demos": 5, "bc_success": 0.5, "success": 0.97, "train_s": 61.0}
    (tmp_path / "learn" / "reach_5").mkdir(parents=True)
    for seed in (0, 1):
        (tmp_path / "learn" / "reach_5" / f"{seed}.json").write_text(json.dumps({"result": result}))
    card = task_card(ReachConfig(tolerance=0.03), 5, tmp_path)
    for part in ("## reach", "arm (panda)", "3 values", "`pixels/wrist` (64, 64, 3)", "10 Hz", "0.5 reach"):
        assert part in card
    assert "`tolerance` 0.03" in card
    assert "100.0% of 5 held-out episodes" in card
    assert "| reach_5 | 5 | 50% / 50% | 97% / 97% | 61 s / 61 s |" in card


def test_the_sheet_has_a_row_of_starts_and_of_moments_for_each_camera(tmp_path):
    sheet = Image.open(task_sheet(ReachConfig(image_size=32), tmp_path / "reach.png"))
    rows = 2 * (RESETS // MOMENTS) + 2
    assert sheet.height // rows == sheet.width // MOMENTS
    assert sheet.height // rows > FRAME


def test_a_simulation_that_is_not_ours_has_a_card_too(tmp_path, capsys):
    assert main(["env=dm_control", "env.task=reacher-easy", f"out={tmp_path}"]) == 0
    out = capsys.readouterr().out
    for part in ("## reacher-easy", "2 values", "`pixels/fixed` (84, 84, 3)", "50 Hz, at most 1000 steps"):
        assert part in out
    assert Image.open(tmp_path / "dm_control.png").height > RESETS // MOMENTS * FRAME


def test_the_command_prints_the_card_and_writes_the_sheet(tmp_path, capsys):
    assert main(["env=reach", "episodes=2", f"out={tmp_path}", "env.image_size=32"]) == 0
    assert "## reach" in capsys.readouterr().out
    assert (tmp_path / "reach.png").is_file()
