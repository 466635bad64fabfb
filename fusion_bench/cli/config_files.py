"""The configuration files that can be chosen: groups, options, and the keys they have."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from fusion_bench.cli.request import CONFIG_MODULE


class ConfigFiles:
    """Every YAML file of the package ``fusion_bench_config`` and of further configuration directories.

    Args:
        search_path: further places, as ``file://DIR`` or ``pkg://PACKAGE``; missing ones are skipped.
    """

    def __init__(self, search_path: Iterable[str] = ()) -> None:
        roots = [_root(f"pkg://{CONFIG_MODULE}"), *map(_root, search_path)]
        self._files: dict[str, Path] = {}  # "method/opcm/opcm" -> file, the first root wins
        for root in filter(None, roots):
            for file in sorted(root.rglob("*.yaml")):
                self._files.setdefault(file.relative_to(root).with_suffix("").as_posix(), file)

    @property
    def names(self) -> list[str]:
        """Every file by its path without suffix, such as ``method/opcm/opcm``."""
        return sorted(self._files)

    @property
    def groups(self) -> list[str]:
        """Every directory that holds options or further groups: ``method``, ``method/opcm``, ..."""
        parents = {str(parent) for name in self._files for parent in Path(name).parents}
        return sorted(parents - {"."})

    @property
    def primary(self) -> list[str]:
        """Names for ``--config-name``: the files outside every group."""
        return sorted(name for name in self._files if "/" not in name)

    def options(self, group: str) -> list[str]:
        """What ``group=...`` accepts; options of groups inside it are written with a slash.

        Files whose name starts with an underscore are parts of others, no options.
        """
        prefix = f"{group}/"
        return sorted(name.removeprefix(prefix) for name in self._files if name.startswith(prefix) and _is_option(name))

    def by_group(self) -> dict[str, list[str]]:
        """The options of each application group, without those of the groups inside it."""
        listing: dict[str, list[str]] = {}
        for name in sorted(self._files):
            group, _, option = name.rpartition("/")
            if group and group.partition("/")[0] != "hydra" and _is_option(name):
                listing.setdefault(group, []).append(option)
        return dict(sorted(listing.items()))

    def read(self, name: str) -> str:
        """The text of a file, by its path without suffix such as ``method/opcm/opcm``; empty if there is none."""
        return self._files[name].read_text(encoding="utf-8") if name in self._files else ""

    def options_with_key(self, group: str, key: str) -> list[str]:
        """The options of ``group`` that have ``key`` at their top level."""
        pattern = re.compile(rf"^{re.escape(key)}\s*:", re.MULTILINE)
        return [option for option in self.options(group) if pattern.search(self.read(f"{group}/{option}"))]


def _is_option(name: str) -> bool:
    return not name.rpartition("/")[2].startswith("_")


def _root(place: str) -> Path | None:
    """The directory a search path entry names; None where it does not exist."""
    scheme, _, location = place.partition("://")
    if scheme == "pkg":
        package, _, folder = location.replace("/", ".").partition(".")
        if find_spec(package) is None:
            return None
        directory = Path(str(resources.files(package))).joinpath(*filter(None, folder.split(".")))
    else:
        directory = Path(location)
    return directory if directory.is_dir() else None
