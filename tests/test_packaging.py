"""The package list, the links and the wheel agree with the folders on disk."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from sources import ROOT, folders, modules, setuptools_table

DATA = {".yaml", ".xml"}


def packages_on_disk() -> set[str]:
    return {name for name, path in modules().items() if path.name == "__init__.py"}


def mapped() -> dict[str, Path]:
    return {name: folder for name, folder in folders().items() if name != "robolearn"}


def test_the_package_list_is_what_is_on_disk():
    assert set(setuptools_table()["packages"]) == packages_on_disk()


def test_every_folder_with_modules_is_a_package():
    homes = {path.parent for path in modules().values()}
    assert [str(home.relative_to(ROOT)) for home in homes if not (home / "__init__.py").is_file()] == []


def test_every_mapped_folder_has_its_link_and_no_other_link_is_there():
    links = {f"robolearn.{path.name}": path.resolve() for path in (ROOT / "robolearn").iterdir() if path.is_symlink()}
    assert links == mapped()


def test_every_data_file_is_declared():
    declared = setuptools_table()["package-data"]
    for name, folder in folders().items():
        for path in folder.rglob("*"):
            if path.is_file() and path.suffix in DATA:
                assert name_of(declared, name, folder, path), f"{path.relative_to(ROOT)} is in no package-data"


def name_of(declared: dict[str, list[str]], name: str, folder: Path, path: Path) -> str | None:
    """Return the package whose patterns take `path`."""
    for package, patterns in declared.items():
        home = folder.joinpath(*package.removeprefix(name).strip(".").split(".")) if package.startswith(name) else None
        if home and any(path in home.glob(pattern) for pattern in patterns):
            return package
    return None


def test_no_module_of_the_command_line_hides_one_of_the_standard_library():
    assert [path.stem for path in (ROOT / "scripts").glob("*.py") if path.stem in sys.stdlib_module_names] == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of a copy of what git would carry, so that nothing is left in the checkout."""
    work = tmp_path_factory.mktemp("wheel")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        source, target = ROOT / name, work / "source" / name
        if source.is_file() and not name.startswith(("benchmarks/", "docs/", "tests/")):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*build, "-w", work, work / "source"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(work.glob("*.whl"))


def test_the_wheel_holds_every_module_and_data_file_and_nothing_else(wheel: Path):
    expected = {f"{'/'.join(p.parts)}" for p in wheel_paths()}
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == expected


def wheel_paths() -> set[Path]:
    """Return where each source and data file belongs in the wheel."""
    paths: set[Path] = set()
    for name, folder in folders().items():
        files = [p for p in folder.rglob("*") if p.is_file() and p.suffix in {".py", *DATA}]
        paths |= {Path(*name.split("."), p.relative_to(folder)) for p in files}
    return paths


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_wheel_runs_in_a_clean_venv_with_only_the_base_dependencies(wheel: Path, tmp_path: Path):
    venv.create(tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python]
    install = [*pip, "install", "-q", "--no-compile", "-c", ROOT / "constraints.txt", wheel]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    check = "import robolearn.envs, robolearn.safety, sys, robolearn; assert 'torch' not in sys.modules; print(robolearn.__file__)"
    ran = subprocess.run([python, "-c", check], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert Path(ran.stdout.strip()).is_relative_to(tmp_path)
    helped = subprocess.run([python.with_name("robolearn"), "--help"], capture_output=True, text=True, check=False)
    assert helped.returncode == 0, helped.stderr
    assert "train" in helped.stdout
