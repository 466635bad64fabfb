"""The Python examples of the README and the documentation run as they stand."""

import re
from pathlib import Path

import pytest
import yaml

from fusion_bench.utils.configurable import build

ROOT = Path(__file__).parents[2]
CHECKPOINTS = {"pretrained": "_pretrained_", "cars": "task_a", "svhn": "task_b"}
PAGES = sorted(
    page
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    if "```python" in page.read_text(encoding="utf-8")
)
BLOCK = re.compile(r"(?P<before>[^\n]*)\n```python[^\n]*\n(?P<code>.*?)```", re.DOTALL)
YAML_BLOCK = re.compile(r"```yaml[^\n]*\n(.*?)```", re.DOTALL)


def snippets(page: Path) -> list[str]:
    """The Python blocks of a page, without those below a comment that says they cannot run."""
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [match["code"] for match in found if not match["before"].startswith("<!-- not run:")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_snippets_of_a_page_run_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    for name, source in CHECKPOINTS.items():
        (tmp_path / "checkpoints" / name).symlink_to(ROOT / "tests" / "oracle" / "continual" / source)
    namespace = {"__name__": f"snippets_of_{page.stem}"}
    for code in snippets(page):
        exec(compile(code, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", ["README.md", "docs/own_models_and_data.md"])
def test_the_configurations_of_a_page_build(page):
    configs = [yaml.safe_load(text) for text in YAML_BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))]
    pools = [build(config) for config in configs if config.get("_target_", "").startswith("fusion_bench.")]
    assert pools
    for pool in pools:
        assert list(getattr(pool, "model_names", None) or pool.task_names)
