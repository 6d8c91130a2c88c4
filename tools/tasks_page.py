"""Write docs/tasks.md and its pictures: the card of every task, as `robolearn show env=<task>` prints it."""

from pathlib import Path

from robolearn import config
from robolearn.bench.card import task_card, task_sheet

ROOT = Path(__file__).parents[1]
ADAPTERS = ("robosuite", "dm_control", "gymnasium")
HEAD = """# Tasks

Made by `make docs` from the cards that `robolearn show env=<task>` prints. Pictures: the starts of 16 episodes as each camera
sees them, then one episode of the scripted expert from left to right. All tasks use two 64x64 cameras and a sparse reward
unless told otherwise; lengths in m, angles in rad.
"""


def main() -> None:
    """Show every task of ours."""
    parts = [HEAD]
    for schema in config.SCHEMAS:
        group, _, name = schema.rpartition("/")
        if group == "env" and name not in ADAPTERS:
            env = config.compose("show", [f"env={name}"]).env
            sheet = task_sheet(env, ROOT / "docs" / "images" / "tasks" / f"{name}.png")
            parts.append(
                task_card(env, 200, ROOT / "benchmarks") + f"\n![{name}]({sheet.relative_to(ROOT / 'docs')})\n"
            )
            print(name)
    (ROOT / "docs" / "tasks.md").write_text("\n".join(parts))


if __name__ == "__main__":
    main()
