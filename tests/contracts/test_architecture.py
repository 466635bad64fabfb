"""The rules of the architecture that a look at the source can check: who imports whom, and what stands where."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "fusion_bench"
FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))

# Imports point down: a file imports from its own layer or a lower one.
LAYERS = {
    "__main__": 5,
    "cli": 5,
    "webui": 5,
    "programs": 4,
    "mixins": 3,
    "compat": 3,
    "callbacks": 3,
    "method": 3,
    "taskpool": 3,
    "dataset": 2,
    "modelpool": 2,
    "models": 2,
    "reporting": 2,
    "functional": 1,
    "report": 1,
    "runtime": 1,
    "sources": 1,
    "suites": 1,
    "utils": 1,
    "__init__": 1,  # imports nothing but what makes names available on first use
}


def imported_modules(file: str) -> Iterator[str]:
    """Every module a file imports, at any depth of nesting; ``from a import b`` counts as ``a.b``."""
    for node in ast.walk(ast.parse((PACKAGE / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(file: str) -> str:
    """``method`` for ``method/opcm/opcm.py``, ``report`` for ``report.py``."""
    return file.split("/", 1)[0].removesuffix(".py")


def is_lazy(file: str) -> bool:
    """Whether the file is a package's ``__init__``, whose imports are for type checkers only."""
    return file.endswith("__init__.py")


@pytest.mark.parametrize("file", [file for file in FILES if not is_lazy(file)])
def test_imports_point_down(file):
    assert part_of(file) in LAYERS, f"give {part_of(file)!r} a layer"
    for module in imported_modules(file):
        package, _, rest = module.partition(".")
        target = rest.split(".", 1)[0]
        if package == "fusion_bench" and target in LAYERS:
            assert LAYERS[target] <= LAYERS[part_of(file)], f"{file} imports {module}, which lies above it"


def test_functional_imports_tensor_libraries_and_nothing_of_ours():
    standard = {"__future__", "collections", "dataclasses", "difflib", "fractions", "functools", "itertools", "math"}
    standard |= {"operator", "typing"}
    for file in FILES:
        if part_of(file) != "functional":
            continue
        for module in imported_modules(file):
            ours = module.startswith("fusion_bench.functional.")
            assert ours or module.split(".", 1)[0] in standard | {"torch", "numpy", "scipy"}, f"{file} imports {module}"


def test_methods_know_no_config_system_no_architecture_and_no_task_pool():
    forbidden = ("hydra", "omegaconf", "transformers", "fusion_bench.taskpool", "fusion_bench.dataset")
    for file in FILES:
        if part_of(file) == "method":
            for module in imported_modules(file):
                bad = [name for name in forbidden if module == name or module.startswith(f"{name}.")]
                assert not bad, f"{file} imports {module}"


@pytest.mark.parametrize("file", [file for file in FILES if is_lazy(file)])
def test_packages_import_cheaply(file):
    tree = ast.parse((PACKAGE / file).read_text(encoding="utf-8"))
    modules = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
    modules += [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]
    assert set(modules) <= {"__future__", "typing", "fusion_bench.utils.lazy"}, f"{file} imports {modules}"


@pytest.mark.parametrize("word", ["_program", "_fabric_instance"])
def test_user_code_of_another_shape_is_known_in_one_place(word):
    pattern = re.compile(rf"(?<!\w){word}(?!\w)")
    found = [file for file in FILES if pattern.search((PACKAGE / file).read_text(encoding="utf-8"))]
    assert set(found) <= {"compat.py"}


@pytest.mark.parametrize("file", FILES)
def test_nothing_prints(file):
    for node in ast.walk(ast.parse((PACKAGE / file).read_text(encoding="utf-8"))):
        called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None
        assert called != "print", f"{file}:{node.lineno} prints; log instead"
