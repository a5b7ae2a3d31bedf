"""What an index would get: a wheel and a source archive that are complete, and their metadata."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from packaging.specifiers import SpecifierSet

from experiments.landscape.shipped import shipped_names

ROOT = Path(__file__).parents[1]
PACKAGES = ("nas_space", "strategies", "experiments")
RESULTS = "experiments/results/"
RUNTIME = "experiments/runtime_package/"  # a distribution of its own, which is built from the source
OF_A_NETWORK = ("README.md", "architecture.json", "model.safetensors", "retrain.json")
BUILD = "import setuptools.build_meta as build; build.build_wheel('dist'); build.build_sdist('dist')"


def copy_project(folder: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for path in ROOT.iterdir():
        if path.is_file() and path.name != ".git":  # which a worktree has
            shutil.copy(path, folder)
        elif path.name in (*PACKAGES, "docs", "tests"):
            shutil.copytree(path, folder / path.name, ignore=ignored)


def build(folder: Path) -> None:
    result = subprocess.run([sys.executable, "-c", BUILD], cwd=folder, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with both files; the wheel unpacked in ``wheel``, the archive in ``sdist``."""
    folder = tmp_path_factory.mktemp("project")
    copy_project(folder)
    build(folder)
    (wheel,), (archive,) = (folder / "dist").glob("*.whl"), (folder / "dist").glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder / "dist/wheel")
    with tarfile.open(archive) as file:
        file.extractall(folder / "dist/sdist", filter="data")
    return folder / "dist"


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_wheel_holds_every_file_of_the_packages(dist: Path) -> None:
    inside = {name for name in files(dist / "wheel") if ".dist-info/" not in name}
    expected = {name for name in files(dist.parent) if name.startswith(tuple(f"{package}/" for package in PACKAGES))}
    networks = {Path(name).parent for name in expected if name.endswith("/model.safetensors")}
    shipped = {(folder / name).as_posix() for folder in networks for name in OF_A_NETWORK}
    assert len(networks) == 2
    assert inside == {name for name in expected if not name.startswith((RESULTS, RUNTIME))} | shipped


def test_the_source_archive_holds_the_project(dist: Path) -> None:
    (folder,) = (dist / "sdist").iterdir()
    inside = files(folder)
    expected = {name for name in files(dist.parent) if not name.startswith(("dist/", "build/", "ssr_nas.egg-info/"))}
    assert expected - inside == set()
    assert not any("__pycache__" in name for name in inside)


def test_the_wheel_works_elsewhere(dist: Path, tmp_path: Path) -> None:
    code = (
        "import experiments; from experiments.cli import main; from experiments.runs.shipped import shipped_networks\n"
        "from experiments.landscape.shipped import shipped_names\n"
        "print(experiments.__file__, *shipped_networks(), *shipped_names(), main(['space', '--json']))\n"
    )
    environment = {"PYTHONPATH": str(dist / "wheel"), "PATH": "/usr/bin:/bin"}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    found = result.stdout.splitlines()[-1].split()
    shipped = ["camvid_360x480", "camvid_paper_360x480", *shipped_names()]
    assert "streets" in shipped and found == [f"{dist}/wheel/experiments/__init__.py", *shipped, "0"]


def test_the_metadata_is_valid(dist: Path) -> None:
    (file,) = (dist / "wheel").glob("*.dist-info/METADATA")
    metadata = Metadata.from_email(file.read_bytes(), validate=True)
    assert metadata.description_content_type == "text/markdown"
    assert metadata.description == (ROOT / "README.md").read_text(encoding="utf-8")
    assert metadata.license_expression == "MIT" and metadata.license_files == ["LICENSE"]
    assert {"nni", "semantic segmentation"} <= set(metadata.keywords or ())
    classifiers = set(metadata.classifiers or ())
    assert "Operating System :: POSIX :: Linux" in classifiers
    pythons = [f"3.{minor}" for minor in range(5, 20)]
    supported = metadata.requires_python or SpecifierSet()
    for python in pythons:
        assert (f"Programming Language :: Python :: {python}" in classifiers) == supported.contains(f"{python}.1")
