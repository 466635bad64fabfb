"""A VGG network: convolutions with pooling, then a perceptron on the flattened map."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from fusion_bench.models.small_network import SmallNetwork


class VGG(SmallNetwork):
    """Stages of 3×3 convolutions, each stage halved by max pooling, and linear layers (Simonyan & Zisserman, 2015).

    Args:
        stages: the channels of the convolutions of each stage.
        image_size: height and width of an image.
        num_outputs: values of the output.
        in_channels: channels of an image.
        hidden: units of the hidden linear layers.
        batch_norm: normalise after each convolution.
    """

    architecture = "VGG"

    def __init__(
        self,
        stages: Sequence[Sequence[int]],
        image_size: int,
        num_outputs: int,
        in_channels: int = 3,
        hidden: Sequence[int] = (),
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        self.arguments = {
            "stages": [list(stage) for stage in stages],
            "image_size": image_size,
            "num_outputs": num_outputs,
            "in_channels": in_channels,
            "hidden": list(hidden),
            "batch_norm": batch_norm,
        }
        layers: list[nn.Module] = []
        channels = in_channels
        for stage in stages:
            for width in stage:
                layers.append(nn.Conv2d(channels, width, 3, padding=1, bias=not batch_norm))
                layers += [nn.BatchNorm2d(width)] if batch_norm else []
                layers.append(nn.ReLU())
                channels = width
            layers.append(nn.MaxPool2d(2))
        side = image_size // 2 ** len(stages)
        if side < 1:
            raise ValueError(f"images of size {image_size} are too small for {len(stages)} stages that halve them")
        self.features = nn.Sequential(*layers)
        sizes = [channels * side * side, *hidden, num_outputs]
        linears: list[nn.Module] = []
        for number in range(1, len(sizes)):
            linears += [nn.ReLU()] if linears else []
            linears.append(nn.Linear(sizes[number - 1], sizes[number]))
        self.classifier = nn.Sequential(*linears)

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs ``(batch, num_outputs)`` for images ``(batch, in_channels, image_size, image_size)``."""
        outputs: Tensor = self.classifier(self.features(inputs).flatten(1))
        return outputs
