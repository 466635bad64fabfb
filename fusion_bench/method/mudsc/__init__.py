"""Methods that match the units of models before they merge them, imported on first use."""

from typing import TYPE_CHECKING

from fusion_bench.utils.lazy import lazy_names

if TYPE_CHECKING:
    from fusion_bench.method.mudsc.activation_align import ActivationAlign
    from fusion_bench.method.mudsc.activation_zip import ActivationZip
    from fusion_bench.method.mudsc.average import PlainAverage
    from fusion_bench.method.mudsc.mudsc import MuDSC
    from fusion_bench.method.mudsc.mudsc_align import MuDSCAlign
    from fusion_bench.method.mudsc.mudsc_zip import MuDSCZip
    from fusion_bench.method.mudsc.weight_align import WeightAlign
    from fusion_bench.method.mudsc.weight_zip import WeightZip

__all__ = [
    "ActivationAlign",
    "ActivationZip",
    "MuDSC",
    "MuDSCAlign",
    "MuDSCZip",
    "PlainAverage",
    "WeightAlign",
    "WeightZip",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ActivationAlign": "fusion_bench.method.mudsc.activation_align",
        "ActivationZip": "fusion_bench.method.mudsc.activation_zip",
        "MuDSC": "fusion_bench.method.mudsc.mudsc",
        "MuDSCAlign": "fusion_bench.method.mudsc.mudsc_align",
        "MuDSCZip": "fusion_bench.method.mudsc.mudsc_zip",
        "PlainAverage": "fusion_bench.method.mudsc.average",
        "WeightAlign": "fusion_bench.method.mudsc.weight_align",
        "WeightZip": "fusion_bench.method.mudsc.weight_zip",
    },
)
