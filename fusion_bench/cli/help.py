"""The text of ``--help``.

Hydra fills the same template, but re-reads every source for every group, which takes longer than a second.
"""

from __future__ import annotations

from string import Template

from fusion_bench.cli.config_files import ConfigFiles
from fusion_bench.cli.request import Request


def help_text(request: Request) -> str:
    """``hydra.help.template`` with the groups and the configuration that ``request`` gives."""
    from omegaconf import OmegaConf, open_dict

    config = request.compose(with_hydra=True)
    template = OmegaConf.select(config, "hydra.help.template")
    with open_dict(config):
        del config["hydra"]
    groups = ConfigFiles(request.search_path).by_group()
    listing = "\n".join(f"  {group}: {', '.join(options)}" for group, options in groups.items())
    return Template(template).safe_substitute(APP_CONFIG_GROUPS=listing, CONFIG=OmegaConf.to_yaml(config))
