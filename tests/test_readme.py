"""What the documents say is true: Python examples run, links lead somewhere, targets, verbs and overrides exist."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from sources import ROOT

from robolearn import config
from robolearn.cli.main import VERBS
from robolearn.core.errors import RobolearnError

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
by_name = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)


def commands(document: Path, program: str) -> list[list[str]]:
    text = "\n".join(blocks(document, "bash")).replace("\\\n", " ")
    lines = [shlex.split(part, comments=True) for line in text.splitlines() for part in line.split(";")]
    return [[word for word in words[1:] if word != "&"] for words in lines if words[:1] == [program]]


@pytest.mark.parametrize("document", [ROOT / "README.md", ROOT / "docs" / "quickstart.md"], ids=lambda path: path.name)
def test_python_examples_run(document, tmp_path):
    examples = blocks(document, "python")
    assert examples
    for example in examples:
        done = subprocess.run(
            [sys.executable, "-c", example], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout


@by_name
def test_links_lead_to_files(document):
    targets = re.findall(r"\]\(([^)#:]+)\)", document.read_text())
    assert [target for target in targets if not (document.parent / target).exists()] == []


@by_name
def test_make_targets_exist(document):
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wanted = {words[0] for words in commands(document, "make") if words}
    wanted |= set(re.findall(r"`make ([a-z-]+)", document.read_text()))
    assert wanted <= known


@by_name
def test_commands_are_verbs_with_overrides_that_compose(document):
    for verb, *overrides in commands(document, "robolearn"):
        assert verb in VERBS
        if verb in config.SCHEMAS and all("=" in override for override in overrides):
            config.compose(verb, overrides)


def test_a_wrong_override_would_be_noticed():
    with pytest.raises(RobolearnError):
        config.compose("train", ["env.yow=0.4"])
