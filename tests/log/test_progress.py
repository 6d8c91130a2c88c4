"""The display: right figures, few lines where there is no terminal, a panel where there is one."""

import io

from rich.console import Console

from robolearn.log.progress import TrainDisplay, progress_bar, sparkline


class FakeTime:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def metrics(step: int, success: bool) -> dict[str, object]:
    return {
        "episode/success": success,
        "episode/return": 3.5,
        "speed/env_steps_per_s": 80.0,
        "speed/updates_per_s": 95.5,
        "train/critic_loss": 0.0123,
        "env_steps": step,
        "updates": step * 2,
        "train_s": 1.0,
    }


def test_plain_lines_now_and_then() -> None:
    out, time = io.StringIO(), FakeTime()
    with TrainDisplay(1000, Console(file=out, width=100), time) as display:
        for i in range(100):
            time.now += 1.0
            display.update(metrics(10 * i, i % 4 == 0))
        display.update({"check/success": 0.9, "check/wilson_low": 0.7, "check/wilson_high": 0.97, "check/return": 4.25})
    lines = out.getvalue().splitlines()
    assert len(lines) == 11
    assert (
        lines[-1]
        == "[1:40] training · 990 env steps · success 25%, return 3.5 of the last 20 · check 90%, return 4.25 · 80 steps/s · 96 updates/s"
    )


def test_panel_on_a_terminal_is_redrawn_seldom() -> None:
    out, time = io.StringIO(), FakeTime()
    with TrainDisplay(1000, Console(file=out, force_terminal=True, width=100, height=30), time) as display:
        display.update({"phase": "behaviour cloning"})
        for i in range(1000):
            time.now += 0.001
            display.update(metrics(i // 2, True))
        display.update({"check/success": 0.9, "check/wilson_low": 0.7, "check/wilson_high": 0.97, "check/return": 4.25})
    text = out.getvalue()
    assert text.count("steps/s") <= 8
    for part in ("90% [70%, 97%]", "critic_loss 0.0123", "█", "left", "998"):
        assert part in text


def test_nothing_known_yet() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80)
    display = TrainDisplay(0, console)
    console.print(display.render())
    assert "starting" in out.getvalue()
    assert "left" not in out.getvalue()


def test_sparkline_clips() -> None:
    assert sparkline([-1.0, 0.0, 1.0, 2.0]) == "▁▁██"


def test_progress_bar() -> None:
    out = io.StringIO()
    with progress_bar("record", 10, Console(file=out)) as advance:
        for _ in range(10):
            advance()
    assert out.getvalue().splitlines() == ["record: 3/10", "record: 5/10", "record: 8/10", "record: 10/10"]
    out = io.StringIO()
    with progress_bar("record", 10, Console(file=out, force_terminal=True, width=100)) as advance:
        for _ in range(10):
            advance()
    assert "10/10" in out.getvalue()
