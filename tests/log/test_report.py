"""The report: complete and self-contained with all parts, still readable with any of them missing."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from robolearn.core.errors import DataError
from robolearn.log.info import run_info
from robolearn.log.plot import Level, Series, line_chart, short, thinned, ticks
from robolearn.log.report import write_report
from robolearn.log.sections import moving_success
from robolearn.log.sinks import JsonlSink
from robolearn.log.video import write_video

VOID = {"meta", "img", "br", "line", "rect", "polyline"}
RESULT = {
    "success": 0.97, "wilson_low": 0.915, "wilson_high": 0.99, "episodes": 100, "train_s": 41.5, "demo_s": 2.0,
    "bc_s": 9.0, "rl_s": 30.5, "eval_s": 22.0, "env_steps": 1240, "updates": 1300, "demos": 5, "bc_success": 0.71,
    "bc_wilson_low": 0.61, "bc_wilson_high": 0.79, "bc_episodes": 100, "stopped": "solved", "seed": 3,
    "env": "pick_cube", "agent": "sac",
}  # fmt: skip


class Checker(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def make_run(path: Path) -> Path:
    path.mkdir()
    sink = JsonlSink(path / "metrics.jsonl")
    for i in range(60):
        step = 20 * (i + 1)
        common = [(step, "time_s", 11 + i / 2)]
        sink([(step, "episode/success", i > 30), (step, "episode/return", 1.0), (step, "episode/length", 20), *common])
        sink([(step, "train/critic_loss", 1 / (i + 1)), (step, "train/<b>", i), (step, "run/updates", step), *common])
        if i % 20 == 19:
            figures = {"success": 0.9, "wilson_low": 0.7, "wilson_high": 0.97, "episodes": 20}
            sink([(step, f"check/{name}", value) for name, value in figures.items()] + common)
    sink.close()
    (path / "result.json").write_text(json.dumps(RESULT))
    (path / "info.json").write_text(json.dumps(run_info()))
    (path / "config.yaml").write_text("agent:\n  note: <script>alert(1)</script>\n")
    write_video(path / "videos" / "policy.mp4", [np.full((16, 16, 3), 9 * i, np.uint8) for i in range(9)], 10)
    cv2.imwrite(str(path / "demos.png"), np.zeros((8, 8, 3), np.uint8))
    return path


def page_of(run: Path) -> str:
    page = write_report(run).read_text()
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert all(link.startswith("data:") for link in checker.links)
    assert not re.search(r"https?://|@import|url\(", page)
    return page


def test_complete(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path / "run"))
    for part in (
        "pick_cube · sac", "solved", "97 %", "92 to 99 %", "42 s", "1,240", "71 %", "check 3", "behaviour cloning",
        "data:video/mp4;base64,", "data:image/png;base64,", "critic_loss", "config.yaml", "torch",
        "prefers-color-scheme: dark", 'name="viewport"',
    ):  # fmt: skip
        assert part in page, part
    assert "<script>" not in page
    assert "train/<b>" not in page
    assert sorted(p.name for p in (tmp_path / "run").glob(".*")) == []


@pytest.mark.parametrize("gone", ["metrics.jsonl", "result.json", "info.json", "config.yaml", "videos", "demos.png"])
def test_any_part_may_be_missing(tmp_path: Path, gone: str) -> None:
    run = make_run(tmp_path / "run")
    (run / gone).rename(tmp_path / "gone")
    page = page_of(run)
    if gone == "result.json":
        assert "success at the last check" in page
        assert ">running<" in page


def test_interrupted_and_empty(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    unfinished = {key: RESULT[key] for key in ("stopped", "train_s", "env_steps", "env", "agent")}
    (run / "result.json").write_text(json.dumps(unfinished | {"stopped": "interrupted"}))
    page = page_of(run)
    assert "interrupted" in page
    assert "behaviour cloning alone" not in page
    JsonlSink(run / "metrics.jsonl")([(1200, f"bc/{key}", RESULT[f"bc_{key}"]) for key in ("success", "episodes")])
    assert "behaviour cloning alone" in page_of(run)
    (tmp_path / "empty").mkdir()
    assert "no evaluation yet" in page_of(tmp_path / "empty")


def test_damaged_parts_are_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / "result.json").write_text('{"success": 0.9')
    with pytest.raises(DataError, match=r"result\.json: expected a JSON object"):
        write_report(run)
    with pytest.raises(DataError, match="no such folder"):
        write_report(tmp_path / "nowhere")


def test_moving_success_over_twenty_episodes() -> None:
    rows = [{"episode/success": float(i >= 10)} for i in range(40)]
    values = moving_success(rows)
    assert values[9] == 0.0
    assert values[19] == 0.5
    assert values[39] == 1.0


def test_ticks_and_numbers() -> None:
    assert ticks(0.0, 45.0) == [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]
    assert ticks(-0.3, 0.4) == [-0.4, -0.2, 0.0, 0.2, 0.4]
    assert ticks(5.0, 5.0)[0] <= 4.5
    assert [short(v) for v in (0.0, 0.25, 1500.0, 2e6, 1.2e-4)] == ["0", "0.25", "1.5k", "2M", "1.2e-04"]


def test_chart_places_points() -> None:
    series = Series(name="s", xs=[0, 50, 100], ys=[0.0, 0.5, float("nan")], style="train", dots=True)
    chart = line_chart([series], label="l", x_label="x", y_range=(0.0, 1.0), size=(162, 150))
    # the plot is 100 x 100 units at (48, 10); x runs to 50, since the last point is not finite
    assert 'points="48.0,110.0 148.0,60.0"' in chart
    assert chart.count("<circle") == 2
    level = Level(name="b", value=0.5, low=0.25, high=0.75, style="base")
    assert 'y="35.0" width="100" height="50.0"' in line_chart([series], label="l", x_label="x", levels=[level], y_range=(0.0, 1.0), size=(162, 150))  # fmt: skip
    assert line_chart([], label="l", x_label="x").startswith("<svg")


def test_long_curves_are_averaged_down() -> None:
    n = 12_345
    thin = thinned(Series(name="s", xs=range(n), ys=[2.0 * i for i in range(n)], style="train"))
    assert len(thin.xs) == 240
    assert thin.ys == pytest.approx([2 * x for x in thin.xs])
    assert sum(thin.xs) / 240 == pytest.approx((n - 1) / 2, rel=1e-3)
