"""The import path that user code knows; the classes live in :mod:`fusion_bench.compat`."""

from fusion_bench.compat import LightningFabricMixin, SimpleProfilerMixin

__all__ = ["LightningFabricMixin", "SimpleProfilerMixin"]
