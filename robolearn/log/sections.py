"""The sections of a run report: each turns a run record into HTML, or into nothing if its data is missing."""

import base64
from collections.abc import Callable, Mapping, Sequence
from html import escape

from robolearn.log.plot import Level, Series, line_chart, short
from robolearn.log.run_record import RunRecord

WINDOW = 20
"""Training episodes in the moving success rate."""
EMBED_LIMIT = 24 * 2**20
"""Bytes; a longer video is linked, not embedded."""

Row = Mapping[str, float]


def run_name(run: RunRecord) -> str:
    """Return the env and agent of a run, or the name of its directory."""
    names = [str(run.result[key]) for key in ("env", "agent") if key in run.result]
    return " · ".join(names) or run.path.resolve().name


def _headline(run: RunRecord) -> str:
    stopped = str(run.result.get("stopped", "running"))
    kind = {"solved": "good", "budget": "wait", "interrupted": "bad"}.get(stopped, "wait")
    about = [run.path.resolve().name]
    if "seed" in run.result:
        about.append(f"seed {run.result['seed']}")
    if run.number("demos"):
        about.append(f"{run.number('demos'):.0f} demonstrations")
    tiles = [tile for tile in (_success_tile(run), _time_tile(run), _steps_tile(run), _base_tile(run)) if tile]
    return (
        f'<h1>{escape(run_name(run))}<span class="pill {kind}">{escape(stopped)}</span></h1>'
        f'<p class="soft">{escape(" · ".join(about))}</p><div class="tiles">{"".join(tiles)}</div>'
    )


def _tile(value: str, *lines: str) -> str:
    return f'<div class="card tile"><b>{value}</b>{"".join(f"<span>{line}</span>" for line in lines)}</div>'


def _success_tile(run: RunRecord) -> str:
    if run.number("success") is not None:
        lines = [f"success over {run.number('episodes') or 0:.0f} held-out episodes", _interval(run, "")]
        return _tile(_percent(run.number("success")), *lines, f"return {_or_dash(run.number('return'), '.4g')}")
    checks = run.having("check/success")
    if checks:
        return _tile(_percent(checks[-1]["check/success"]), "success at the last check", "no final evaluation yet")
    return _tile("-", "no evaluation yet")


def _time_tile(run: RunRecord) -> str:
    seconds = run.number("train_s")
    if seconds is None:
        seconds = max((row.get("time_s", 0.0) for row in run.rows), default=0.0)
    parts = [f"{label} {value:.1f}" for label, key in (("demos", "demo_s"), ("BC", "bc_s"), ("RL", "rl_s")) if (value := run.number(key))]  # fmt: skip
    return _tile(f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min", "training", " · ".join(parts))


def _steps_tile(run: RunRecord) -> str:
    steps = run.number("env_steps")
    if steps is None:
        steps = max((row["step"] for row in run.rows), default=0)
    updates = run.number("updates")
    return _tile(f"{steps:,.0f}", "environment steps", f"{updates:,.0f} updates" if updates is not None else "")


def _base_tile(run: RunRecord) -> str:
    if run.number("bc_success") is None:
        return ""
    return _tile(_percent(run.number("bc_success")), "behaviour cloning alone", _interval(run, "bc_"))


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def _interval(run: RunRecord, prefix: str) -> str:
    low, high = run.number(f"{prefix}wilson_low"), run.number(f"{prefix}wilson_high")
    return "" if low is None or high is None else f"95 % interval {100 * low:.0f} to {100 * high:.0f} %"


def moving_success(rows: Sequence[Row]) -> list[float]:
    """Return the success rate over the last `WINDOW` training episodes, one value a row."""
    values = [row["episode/success"] for row in rows]
    return [sum(values[max(0, i - WINDOW + 1) : i + 1]) / min(i + 1, WINDOW) for i in range(len(values))]


def _curves(run: RunRecord) -> str:
    episodes, checks = run.having("episode/success"), run.having("check/success")
    if not episodes and not checks:
        return ""
    levels = []
    if (base := run.number("bc_success")) is not None:
        low, high = run.number("bc_wilson_low"), run.number("bc_wilson_high")
        levels = [Level(name="BC", value=base, low=base if low is None else low, high=base if high is None else high, style="base")]  # fmt: skip
    charts = []
    for axis, label in (("time_s", "training time (s)"), ("step", "environment steps")):
        series = [
            Series(name="training episodes", xs=_axis(episodes, axis), ys=moving_success(episodes), style="train"),
            Series(
                name="greedy check", xs=_axis(checks, axis), ys=[row["check/success"] for row in checks], style="check",
                dots=True, spans=[(r.get("check/wilson_low", r["check/success"]), r.get("check/wilson_high", r["check/success"])) for r in checks],
            ),
            _final(run, axis),
        ]  # fmt: skip
        chart = line_chart(series, label=f"Success over {label}", x_label=label, levels=levels, y_range=(0.0, 1.0), percent=True)  # fmt: skip
        charts.append(f'<div class="card">{chart}</div>')
    names = [("train", f"training episodes, mean of {WINDOW}")]
    names += [("check", "greedy check, 95 % interval")] if checks else []
    names += [("base", "behaviour cloning")] if levels else []
    names += [("final", "final evaluation")] if run.number("success") is not None else []
    legend = "".join(f'<span><i class="{style}"></i>{name}</span>' for style, name in names)
    return f'<h2>Learning</h2><div class="legend">{legend}</div><div class="grid2">{"".join(charts)}</div>'


def _axis(rows: Sequence[Row], axis: str) -> list[float]:
    return [row.get(axis, float("nan")) for row in rows]


def _final(run: RunRecord, axis: str) -> Series:
    x, success = run.number("train_s" if axis == "time_s" else "env_steps"), run.number("success")
    if x is None or success is None:
        return Series(name="final", xs=[], ys=[], style="final")
    low, high = run.number("wilson_low"), run.number("wilson_high")
    span = (success if low is None else low, success if high is None else high)
    return Series(name="final evaluation", xs=[x], ys=[success], style="final", dots=True, spans=[span])


def _table(run: RunRecord) -> str:
    lines = []
    if run.number("bc_success") is not None:
        time_s = (run.number("demo_s") or 0.0) + (run.number("bc_s") or 0.0)
        lines.append(_line("behaviour cloning", "base", time_s, 0, [run.number(f"bc_{key}") for key in _FIGURES]))
    for number, row in enumerate(run.having("check/success"), start=1):
        figures = [row.get(f"check/{key}") for key in _FIGURES]
        lines.append(_line(f"check {number}", "check", row.get("time_s"), row["step"], figures))
    if run.number("success") is not None:
        figures = [run.number(key) for key in _FIGURES]
        lines.append(_line("<strong>final</strong>", "final", run.number("train_s"), run.number("env_steps"), figures))
    if not lines:
        return ""
    names = ("success", "95 % interval", "", "return", "after (s)", "env steps", "episodes")
    head = "<tr><th>policy</th>" + "".join(f'<th class="n">{name}</th>' for name in names) + "</tr>"
    return f'<h2>Success</h2><div class="card scroll"><table>{head}{"".join(lines)}</table></div>'


_FIGURES = ("success", "wilson_low", "wilson_high", "return", "episodes")


def _line(name: str, style: str, time_s: float | None, step: float | None, figures: Sequence[float | None]) -> str:
    success, low, high, total, episodes = figures
    interval, mark = "", ""
    if success is not None and low is not None and high is not None:
        interval = f"{100 * low:.0f} to {100 * high:.0f} %"
        mark = (
            f'<span class="range {style}"><i style="left:{100 * low:.1f}%;right:{100 - 100 * high:.1f}%"></i>'
            f'<b style="left:calc({100 * success:.1f}% - 1.5px)"></b></span>'
        )
    cells = [
        _percent(success),
        interval,
        mark,
        _or_dash(total, ".4g"),
        _or_dash(time_s, ".1f"),
        _or_dash(step, ",.0f"),
        _or_dash(episodes, ".0f"),
    ]
    return f"<tr><td>{name}</td>" + "".join(f'<td class="n">{cell}</td>' for cell in cells) + "</tr>"


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _time(run: RunRecord) -> str:
    spent = [
        (label, style, run.number(key) or 0.0)
        for label, key, style in (
            ("demonstrations", "demo_s", "base"), ("behaviour cloning", "bc_s", "train"),
            ("reinforcement learning", "rl_s", "check"), ("evaluation, not counted as training", "eval_s", "idle"),
        )
    ]  # fmt: skip
    total = sum(seconds for *_, seconds in spent)
    if total <= 0:
        return ""
    shares = "".join(f'<i class="{style}" style="width:{100 * s / total:.2f}%"></i>' for _, style, s in spent if s)
    names = "".join(f'<span><i class="{style}"></i>{label} {s:.1f} s</span>' for label, style, s in spent if s)
    return f'<h2>Time</h2><div class="card"><div class="bar">{shares}</div><div class="legend">{names}</div></div>'


def _films(run: RunRecord) -> str:
    figures = []
    for path in sorted((run.path / "videos").glob("*.mp4")):
        if path.stat().st_size > EMBED_LIMIT:
            figures.append(f'<p><a href="videos/{escape(path.name)}">{escape(path.name)}</a></p>')
            continue
        data = base64.b64encode(path.read_bytes()).decode()
        figures.append(
            f'<figure><video controls autoplay loop muted playsinline src="data:video/mp4;base64,{data}"></video>'
            f"<figcaption>{escape(path.stem)}: a green border is a solved episode, a red one is not</figcaption></figure>"
        )
    return f'<h2>Video</h2><div class="card">{"".join(figures)}</div>' if figures else ""


def _demos(run: RunRecord) -> str:
    path = run.path / "demos.png"
    if not path.is_file():
        return ""
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<h2>Demonstrations</h2><img alt="frames of the demonstrations" src="data:image/png;base64,{data}">'


def _figures(run: RunRecord) -> str:
    """Draw a small chart of every training metric, and of returns, episodes and speed."""
    names = sorted({name for row in run.rows for name in row if name.startswith("train/")})
    names += ["check/return", "episode/return", "episode/length", "speed/env_steps_per_s", "speed/updates_per_s"]
    cards = []
    for name in names:
        rows = run.having(name)
        if not rows:
            continue
        axis = "run/updates" if name.startswith("train/") and "run/updates" in rows[0] else "step"
        label = "updates" if axis == "run/updates" else "environment steps"
        series = Series(name=name, xs=_axis(rows, axis), ys=[row[name] for row in rows], style="train")
        chart = line_chart([series], label=name, x_label=label, size=(340, 190))
        title = f'{escape(name.removeprefix("train/"))} <span class="soft">{short(rows[-1][name])}</span>'
        cards.append(f'<div class="card"><h3>{title}</h3>{chart}</div>')
    return f'<h2>Figures</h2><div class="grid3">{"".join(cards)}</div>' if cards else ""


def _config(run: RunRecord) -> str:
    if not run.config:
        return ""
    return f"<h2>Configuration</h2><details><summary>config.yaml</summary><pre>{escape(run.config)}</pre></details>"


def _machine(run: RunRecord) -> str:
    lines = "".join(
        f'<tr><th>{escape(name)}</th><td class="wrap">{escape(text)}</td></tr>' for name, text in _flat(run.info)
    )
    return f'<h2>Made with</h2><div class="card scroll"><table>{lines}</table></div>' if lines else ""


def _flat(values: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return names and texts of nested JSON values, one line a leaf or list; what is null is left out."""
    lines: list[tuple[str, str]] = []
    for key, value in values.items():
        match value:
            case None:
                continue
            case Mapping() if key == "packages":
                lines.append((key, ", ".join(f"{name} {version}" for name, version in value.items())))
            case Mapping():
                lines += [(name, text) for name, text in _flat(value)]
            case list():
                lines.append((key, " ".join(map(str, value))))
            case _:
                lines.append((key, str(value)))
    return lines


ALL: tuple[Callable[[RunRecord], str], ...] = (
    _headline, _curves, _films, _table, _time, _demos, _figures, _config, _machine
)  # fmt: skip
"""In the order of the page."""
