"""The picture of a campaign shows what the results hold."""

from xml.etree import ElementTree

from robolearn.bench.figure import write_learning_figure

RUN = {"seed": 1, "demos": 20, "bc_success": 0.4, "curve": [[400, 30.0, 0.5], [800, 60.0, 0.97]]}


def test_a_panel_per_setting_and_a_curve_per_seed(tmp_path):
    settings = {"push": [RUN, {**RUN, "seed": 2}], "stack": [RUN], "old": [{"seed": 0, "demos": 5}]}
    out = write_learning_figure(settings, tmp_path / "learn.svg")
    assert out is not None
    root = ElementTree.parse(out).getroot()
    text = out.read_text()
    assert root.tag.endswith("svg")
    assert text.count('class="curve') == 3
    assert "push, 20 demonstrations" in text
    assert "old" not in text


def test_tasks_that_have_returns_only_stand_beside_published_ones(tmp_path):
    run = {
        "seed": 0,
        "demos": 0,
        "env_steps": 20_000,
        "curve": [[10_000, 60.0, 0.0, 150.0], [20_000, 120.0, 0.0, 300.0]],
    }
    out = write_learning_figure({"cartpole_swingup": [run]}, tmp_path / "learn.svg")
    assert out is not None
    text = out.read_text()
    assert "DrQ-v2 at 40,000" in text
    assert text.count('class="curve') == 1


def test_without_a_curve_there_is_no_picture(tmp_path):
    assert write_learning_figure({"old": [{"seed": 0, "demos": 5}]}, tmp_path / "learn.svg") is None
    assert not (tmp_path / "learn.svg").exists()
