"""What an installation from a wheel ships."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel of a copy of the sources; building it needs neither the network nor torch."""
    import shutil

    source = tmp_path_factory.mktemp("source")
    for name in ("fusion_bench", "hydra_plugins", "config"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    target = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(source)], check=True, timeout=300)
    (built,) = target.glob("*.whl")
    return built


@pytest.mark.slow
def test_wheel_has_every_configuration_module_and_suite(wheel):
    shipped = set(zipfile.ZipFile(wheel).namelist())
    configs = {f"fusion_bench_config/{file.relative_to(ROOT / 'config')}" for file in (ROOT / "config").rglob("*.yaml")}
    modules = {str(file.relative_to(ROOT)) for file in (ROOT / "fusion_bench").rglob("*.py")}
    modules |= {str(file.relative_to(ROOT)) for file in (ROOT / "hydra_plugins").rglob("*.py")}
    data = [
        path
        for part in ("suites", "dataset/class_names", "reporting")
        for path in (ROOT / "fusion_bench" / part).rglob("*")
    ]
    parts = {str(path.relative_to(ROOT)) for path in data if path.is_file() and "__pycache__" not in path.parts}
    assert sorted((configs | modules | parts) - shipped) == []
    assert "fusion_bench_config/__init__.py" in shipped
    assert "fusion_bench/py.typed" in shipped
    assert not [name for name in shipped if name.startswith(("tests/", "tools/", "config/", "benchmarks/"))]


@pytest.mark.slow
def test_wheel_finds_its_configurations(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (tmp_path / "config").mkdir()
    code = (
        "import fusion_bench, fusion_bench_config, sys; sys.stderr.write(fusion_bench_config.__file__);"
        "from fusion_bench.cli.main import main; main()"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        [sys.executable, "-c", code, "--cfg", "job", "fabric/loggers=none"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "site") in done.stderr
    assert "fusion_bench.programs.FabricModelFusionProgram" in done.stdout
