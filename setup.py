"""Package list: ``fusion_bench`` and its Hydra plugin as found, and ``config`` as ``fusion_bench_config``.

Everything else stands in pyproject.toml. A search cannot find a package whose directory has another name, and
setuptools takes either a search or a list from pyproject.toml, hence these lines.
"""

from setuptools import find_namespace_packages, setup

PACKAGES = ["fusion_bench", "fusion_bench.*", "hydra_plugins.fusion_bench_launchers"]

setup(packages=[*find_namespace_packages(include=PACKAGES), "fusion_bench_config"])
