"""The text of ``--help``.

Hydra fills the same template, but re-reads every source for every group, which takes longer than a second.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from string import Template

from fusion_bench.cli.config_files import ConfigFiles
from fusion_bench.cli.request import Request

_WIDTH = 110
_FAMILY = 3  # as many options that start alike are written as one


def help_text(request: Request) -> str:
    """``hydra.help.template`` with the groups and the configuration that ``request`` gives."""
    from omegaconf import OmegaConf, open_dict

    config = request.compose(with_hydra=True)
    template = OmegaConf.select(config, "hydra.help.template")
    with open_dict(config):
        del config["hydra"]
    groups = ConfigFiles(request.search_path).by_group()
    listing = "\n".join(_lines(f"  {group}: {', '.join(_folded(options))}") for group, options in groups.items())
    return Template(template).safe_substitute(APP_CONFIG_GROUPS=listing, CONFIG=OmegaConf.to_yaml(config))


def _folded(options: Sequence[str]) -> Iterator[str]:
    """The options; those alike up to their first ``_`` are one ``{START, START}_{END, END}``, for the same ends."""
    ends: dict[str, list[str]] = {}
    for option in options:
        start = option.partition("_")[0]
        ends.setdefault(start, []).append(option.removeprefix(start))
    families: dict[tuple[str, ...], list[str]] = {}
    for start, found in ends.items():
        yield from (start + end for end in found if len(found) < _FAMILY or not end)
        if len(found) >= _FAMILY:
            families.setdefault(tuple(end[1:] for end in found if end), []).append(start)
    for shared, starts in families.items():
        start = starts[0] if len(starts) == 1 else f"{{{', '.join(starts)}}}"
        yield f"{start}_{{{', '.join(shared)}}}"


def _lines(text: str) -> str:
    return textwrap.fill(text, _WIDTH, subsequent_indent=" " * 6, break_on_hyphens=False, break_long_words=False)
