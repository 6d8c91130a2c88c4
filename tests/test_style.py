"""House rules that no linter knows: the size of a module, and configuration fields that somebody reads."""

import ast
import re
from collections.abc import Iterator

from sources import ROOT, modules, tree

MAX_LINES = 400


def test_no_module_is_longer_than_400_lines():
    files = [*modules().values(), *(ROOT / "tests").rglob("*.py")]
    sizes = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert {path: lines for path, lines in sizes.items() if lines > MAX_LINES} == {}


def config_fields() -> Iterator[tuple[str, str]]:
    """Yield (class, field) of every dataclass whose name ends in Config."""
    for path in modules().values():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef) and node.name.endswith("Config") and node.decorator_list:
                assigned = (item for item in node.body if isinstance(item, ast.AnnAssign))
                fields = (item.target for item in assigned if "ClassVar" not in ast.unparse(item.annotation))
                yield from ((node.name, target.id) for target in fields if isinstance(target, ast.Name))


def reads_outside_of_configs() -> str:
    """Return all source text with the `*Config` classes cut out, so that a field's own checks do not count."""
    parts: list[str] = []
    for path in modules().values():
        lines = path.read_text().splitlines()
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef) and node.name.endswith("Config"):
                first, last = node.lineno - 1, node.end_lineno or node.lineno
                lines[first:last] = [""] * (last - first)
        parts.extend(lines)
    return "\n".join(parts)


def test_every_config_field_is_read_outside_its_class():
    read = set(re.findall(r"\.(\w+)", reads_outside_of_configs()))
    unread = [f"{name}.{field}" for name, field in config_fields() if field not in read]
    assert unread == [], "a field that nothing reads misleads its users: delete it or use it"
