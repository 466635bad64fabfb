"""Package list: ``fusion_bench`` as found, and the directory ``config`` under the name ``fusion_bench_config``.

Everything else stands in pyproject.toml. A search cannot find a package whose directory has another name, and
setuptools takes either a search or a list from pyproject.toml, hence these lines.
"""

from setuptools import find_namespace_packages, setup

setup(packages=[*find_namespace_packages(include=["fusion_bench", "fusion_bench.*"]), "fusion_bench_config"])
