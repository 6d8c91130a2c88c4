"""The picture of a learning campaign: success over training minutes, a panel per setting, a curve per seed."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from robolearn.bench.published import DRQV2, FRAMES_PER_STEP
from robolearn.log.plot import Level, Series, line_chart

PANEL = (330, 230)
TITLE, LEGEND, GAP, COLUMNS = 26, 26, 14, 3
STYLE = """
svg { font: 13px system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
.paper { fill: #ffffff; } .title { fill: #1d2126; font-weight: 600; } .tick { fill: #5f6670; font-size: 12px; }
.grid { stroke: #ecedeb; } .curve { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; }
.dot { fill: var(--c); stroke: #ffffff; } .span { stroke: var(--c); opacity: 0.4; }
.level { stroke: var(--c); stroke-width: 1.5; stroke-dasharray: 5 4; } .band { fill: var(--c); opacity: 0.13; }
.base { --c: #b8741a; } .goal { --c: #9aa0a9; } .seed0 { --c: #3b6fc9; } .seed1 { --c: #1a7f52; } .seed2 { --c: #8a3ffc; }
.seed3 { --c: #c4282f; } .seed4 { --c: #17889c; }
"""
Result = Mapping[str, Any]


def write_learning_figure(settings: Mapping[str, Sequence[Result]], out: Path) -> Path | None:
    """Draw every setting whose results carry the checks of their runs (`curve`).

    Args:
        settings: Results by setting, one a seed.
        out: The SVG to make or replace.

    Returns:
        `out`, or None where there is nothing to draw.
    """
    drawn = {name: [r for r in results if r.get("curve")] for name, results in settings.items()}
    panels = [(_returns if name in DRQV2 else _success)(name, results) for name, results in drawn.items() if results]
    if not panels:
        return None
    columns = min(COLUMNS, len(panels))
    width = columns * (PANEL[0] + GAP) + GAP
    height = LEGEND + -(-len(panels) // columns) * (PANEL[1] + TITLE + GAP)
    placed = [
        f'<g transform="translate({GAP + (i % columns) * (PANEL[0] + GAP)},'
        f'{LEGEND + (i // columns) * (PANEL[1] + TITLE + GAP)})">{panel}</g>'
        for i, panel in enumerate(panels)
    ]
    legend = "success in 100 greedy episodes over minutes of training; dashed: cloning alone (brown), 95 % (grey)"
    out.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"><style>{STYLE}</style>'
        f'<rect class="paper" width="{width}" height="{height}"/><text class="tick" x="{GAP}" y="18">{legend}</text>'
        + "".join(placed)
        + "</svg>\n"
    )
    return out


def _returns(name: str, results: Sequence[Result]) -> str:
    """Draw returns over frames, and what is published of DrQ-v2 next to where we stopped."""
    curves = [
        Series(
            name=f"seed {result['seed']}",
            xs=[1e-3 * FRAMES_PER_STEP * row[0] for row in result["curve"]],
            ys=[row[3] for row in result["curve"]],
            style=f"seed{result['seed'] % 5}",
        )
        for result in results
    ]
    reached = FRAMES_PER_STEP * max(result["env_steps"] for result in results)
    frames = min(DRQV2[name], key=lambda published: abs(published - reached))
    theirs = DRQV2[name][frames]
    mean = sum(theirs) / len(theirs)
    levels = [Level(name="DrQ-v2", value=mean, low=min(theirs), high=max(theirs), style="base")]
    label = f"{name}: return; brown: DrQ-v2 at {frames:,}"
    return _placed(
        label, line_chart(curves, label=label, x_label="1,000 frames", levels=levels, y_range=(0.0, 1000.0), size=PANEL)
    )


def _success(name: str, results: Sequence[Result]) -> str:
    """Draw success over minutes, and that of cloning alone."""
    curves = [
        Series(
            name=f"seed {result['seed']}",
            xs=[0.0, *(row[1] / 60.0 for row in result["curve"])],
            ys=[float(result.get("bc_success", 0.0)), *(row[2] for row in result["curve"])],
            style=f"seed{result['seed'] % 5}",
        )
        for result in results
    ]
    levels = [Level(name="95 %", value=0.95, low=0.95, high=0.95, style="goal")]
    cloned = [float(result["bc_success"]) for result in results if "bc_success" in result]
    if cloned:
        mean = sum(cloned) / len(cloned)
        levels.append(Level(name="cloning", value=mean, low=min(cloned), high=max(cloned), style="base"))
    label = f"{name}, {results[0]['demos']} demonstrations"
    chart = line_chart(curves, label=label, x_label="min", levels=levels, y_range=(0.0, 1.0), percent=True, size=PANEL)
    return _placed(label, chart)


def _placed(label: str, chart: str) -> str:
    inner = chart.replace("<svg ", f'<svg y="{TITLE - 6}" width="{PANEL[0]}" height="{PANEL[1]}" ', 1)
    return f'<text class="title" x="4" y="14">{escape(label)}</text>{inner}'
