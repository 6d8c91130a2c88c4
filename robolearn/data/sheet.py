"""Contact sheets: a picture of the episodes of a demonstration file, and its description in words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from robolearn.core.errors import DataError
from robolearn.core.types import PIXELS, Array, Step
from robolearn.data.layout import DemoInfo
from robolearn.data.reader import read_demos

PAPER, INK, FAINT, GOOD, BAD = "#fbfbf9", "#1e2024", "#80848c", "#1a7f37", "#c4282f"
MARGIN, GAP, LABEL, HEADER, BREAK = 24, 3, 132, 50, 14
"""Pixels: around the sheet, between frames, for the words left of a row, above the first row, between episodes."""


@dataclass(kw_only=True, slots=True)
class _Strip:
    index: int
    length: int
    success: bool
    frames: dict[str, list[Array]]
    """By camera, in the order of time."""


def contact_sheet(
    source: Path | str | Iterable[Sequence[Step]], out: Path, *, columns: int = 8, rows: int = 12, size: int = 96
) -> Path:
    """Write a PNG in which each episode is a block of rows, one a camera, and time runs to the right.

    Args:
        source: A demonstration file, or episodes of T + 1 rows.
        out: The PNG to make or replace.
        columns: Frames of an episode, evenly spaced from its first to its last observation.
        rows: Episodes shown at most, evenly spaced over the file.
        size: Height of a frame in pixels.

    Returns:
        `out`.

    Raises:
        DataError: If the source is damaged, holds no episode or no camera image, or the PNG cannot be written.
    """
    episodes = read_demos(Path(source)) if isinstance(source, Path | str) else source
    strips = [_strip(index, episode, columns, size) for index, episode in enumerate(episodes)]
    if not strips:
        raise DataError(str(out), expected="at least one episode", got="none")
    shown = np.unique(np.linspace(0, len(strips) - 1, min(rows, len(strips))).round().astype(int))
    solved = sum(strip.success for strip in strips)
    title = f"{len(strips)} episodes, {solved} solved" + (f", {len(shown)} shown" if len(shown) < len(strips) else "")
    sheet = _draw([strips[i] for i in shown], title, size)
    out = Path(out)
    partial = out.with_name(f".{out.name}.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(partial, format="PNG", optimize=True)
        partial.replace(out)
    except OSError as error:
        raise DataError(str(out), expected="a folder with room to write", got=str(error)) from error
    finally:
        if partial.exists():
            partial.unlink()
    return out


def describe_demos(info: DemoInfo) -> str:
    """Return the content of a demonstration file as a few lines of text: totals, specs and one line an episode."""
    spec = info.spec
    size = info.path.stat().st_size / 2**20
    lines = [
        f"{info.path}: {len(info.episodes)} episodes, {info.steps} steps, {info.successes} solved, {size:.1f} MiB"
        + ("" if info.complete else " (recording was interrupted)"),
        f"  rate     {spec.rate_hz:g} Hz, at most {spec.max_steps} steps",
        f"  action   {spec.action.describe()}",
        *(f"  obs      {key}  {array.dtype} {array.shape}" for key, array in spec.obs.items()),
        *(f"  mask     {key}: {len(names)} episodes" for key, names in info.masks.items()),
        *(f"  env      {key}: {value}" for key, value in info.env.items()),
        "",
        f"  {'episode':<10} {'steps':>5} {'success':>8} {'return':>8} {'human':>6}  source",
    ]
    lines += [
        f"  {e.name:<10} {e.length:>5} {'yes' if e.success else 'no':>8} {e.ret:>8.2f} {e.intervened:>6}  "
        f"{', '.join(e.sources)}"
        for e in info.episodes
    ]
    return "\n".join(lines)


def _strip(index: int, episode: Sequence[Step], columns: int, size: int) -> _Strip:
    keys = sorted(key for key in episode[0].obs if key.startswith(PIXELS))
    if not keys:
        raise DataError(f"episode {index}", expected="a camera image", got=f"obs {sorted(episode[0].obs)}")
    times = np.linspace(0, len(episode) - 1, columns).round().astype(int)
    return _Strip(
        index=index,
        length=len(episode) - 1,
        success=any(step.success for step in episode),
        frames={key.removeprefix(PIXELS): [_resize(episode[t].obs[key], size) for t in times] for key in keys},
    )


def _resize(image: Array, size: int) -> Array:
    width = max(1, round(image.shape[1] * size / image.shape[0]))
    smaller = size < image.shape[0]
    return cv2.resize(
        np.asarray(image, np.uint8), (width, size), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    )


def _draw(strips: Sequence[_Strip], title: str, size: int) -> Image.Image:
    row = max(sum(frame.shape[1] + GAP for frame in camera) for strip in strips for camera in strip.frames.values())
    height = sum(len(strip.frames) * (size + GAP) + BREAK for strip in strips)
    sheet = Image.new("RGB", (LABEL + row - GAP + 2 * MARGIN, HEADER + height - BREAK + 2 * MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    large, small = ImageFont.load_default(16), ImageFont.load_default(13)
    draw.text((MARGIN, MARGIN - 4), title, INK, large)
    y = MARGIN + HEADER
    draw.text((MARGIN + LABEL, y - 6), "start", FAINT, small, anchor="ls")
    draw.text((sheet.width - MARGIN, y - 6), "end", FAINT, small, anchor="rs")
    for strip in strips:
        draw.text((MARGIN, y), f"episode {strip.index}", INK, large)
        draw.text((MARGIN, y + 22), f"{strip.length} steps", FAINT, small)
        verdict, colour = ("success", GOOD) if strip.success else ("no success", BAD)
        draw.text((MARGIN, y + 40), verdict, colour, small)
        for name, frames in strip.frames.items():
            draw.text((MARGIN + LABEL - 10, y + size - 1), name, FAINT, small, anchor="rs")
            x = MARGIN + LABEL
            for frame in frames:
                sheet.paste(Image.fromarray(frame), (x, y))
                x += frame.shape[1] + GAP
            y += size + GAP
        y += BREAK
    return sheet
