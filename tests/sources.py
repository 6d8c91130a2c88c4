"""The project's source files, by the name under which each is imported."""

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent


@cache
def setuptools_table() -> dict:
    """Return [tool.setuptools] of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def folders() -> dict[str, Path]:
    """Return every top-level import name that maps to a folder: robolearn, robolearn.envs, ..."""
    return {name: ROOT / folder for name, folder in setuptools_table()["package-dir"].items()}


@cache
def modules() -> dict[str, Path]:
    """Return the path of every module of ours, by its dotted import name."""
    found: dict[str, Path] = {}
    for prefix, folder in folders().items():
        for path in sorted(folder.rglob("*.py")):  # does not follow the links in robolearn/
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join((prefix, *parts)).removesuffix(".__init__")] = path
    return found


@cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(), str(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) for every import of a file, those inside functions too."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
