"""The run report: one self-contained HTML page made from what a run directory holds."""

from html import escape
from pathlib import Path

from robolearn.core.errors import DataError
from robolearn.log import sections
from robolearn.log.run_record import read_run
from robolearn.log.style import CSS


def write_report(run_dir: Path) -> Path:
    """Write `report.html` into a run directory; it needs no network and no other file.

    Args:
        run_dir: Holds any of config.yaml, metrics.jsonl, result.json, info.json, demos.png and videos/*.mp4; what is
            missing is left out, so that a running or interrupted run has a report too.

    Returns:
        The report.

    Raises:
        DataError: If there is no such directory, a file in it is damaged, or the report cannot be written.
    """
    run_dir = Path(run_dir)
    run = read_run(run_dir)
    title = f"{sections.run_name(run)} - robolearn"
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{CSS}</style></head><body>'
        + "".join(section(run) for section in sections.ALL)
        + "</body></html>\n"
    )
    path = run_dir / "report.html"
    partial = path.with_name(".report.html.partial")
    try:
        partial.write_text(page, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise DataError(str(path), expected="a folder with room to write", got=str(error)) from error
    return path
