"""Every method has a page that says what its configuration says, and the site builds without a warning."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
METHODS = sorted((ROOT / "config" / "method").rglob("*.yaml"))
SECTIONS = ["Idea", "Formula", "Options", "Command line", "Python", "Reference"]
INCLUDE = re.compile(r'^--8<-- "([\w.]+)(?::\w+)?"$', re.MULTILINE)
ROW = re.compile(r"^\| `(\w+)` \| `(.*?)` \|", re.MULTILINE)
LOADED = re.compile(r"<(?:script|img|iframe|link)[^>]*?(?:src|href)=\"?((?:https?:)?//[^\" >]+)")


def page_of(config: Path) -> Path:
    return ROOT / "docs" / "methods" / config.relative_to(ROOT / "config" / "method").with_suffix(".md")


def text_of(page: Path) -> str:
    """The page with what it includes."""

    def included(match):
        return (ROOT / "docs" / "snippets" / match[1]).read_text(encoding="utf-8").rstrip("\n")

    return INCLUDE.sub(included, page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("config", METHODS, ids=lambda path: path.stem)
def test_options_of_the_page_are_those_of_the_configuration(config):
    entries = yaml.safe_load(config.read_text(encoding="utf-8"))
    del entries["_target_"]
    documented = {key: yaml.safe_load(default) for key, default in ROW.findall(text_of(page_of(config)))}
    assert list(documented.items()) == list(entries.items())


@pytest.mark.parametrize("config", METHODS, ids=lambda path: path.stem)
def test_page_has_every_section_and_stands_in_the_navigation(config):
    page = page_of(config)
    headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert [heading for heading in headings if heading in SECTIONS] == SECTIONS
    assert page.relative_to(ROOT / "docs").as_posix() in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("config", "page"), [("fabric_model_fusion", "configuration"), ("fabric_finetune", "finetune")], ids=str
)
def test_keys_of_the_program_are_documented(config, page):
    entries = yaml.safe_load((ROOT / "config" / f"{config}.yaml").read_text(encoding="utf-8"))
    documented = dict(ROW.findall(text_of(ROOT / "docs" / f"{page}.md")))
    for key, default in entries.items():
        if key not in ("defaults", "_target_", "_recursive_", "modelpool", "taskpool"):
            assert yaml.safe_load(documented[key]) == default, key


def test_no_page_asks_another_host_for_anything():
    for page in (ROOT / "docs").rglob("*"):
        if page.suffix in (".md", ".css", ".svg", ".yml"):
            text = page.read_text(encoding="utf-8")
            assert not re.search(r"(src=|href=|url\(|@import)\s*[\"']?(https?:)?//", text), page


@pytest.mark.slow
def test_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("material")
    pytest.importorskip("mkdocstrings_handlers.python")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for page in (tmp_path / "site").rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|img|iframe|link)[^>]*?(?:src|href)=\"?((?:https?:)?//[^\" >]+)", page.read_text()
        )
        assert not loaded, (page, loaded)
