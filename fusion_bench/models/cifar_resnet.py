"""Residual networks for small images, with batch or group normalisation."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from fusion_bench.models.small_network import SmallNetwork


class CifarResNet(SmallNetwork):
    """A 3×3 stem, stages of basic blocks, average pooling and a linear layer (He et al., 2016).

    Every stage but the first halves the image and begins with a 3×3 convolution in its shortcut.

    Args:
        widths: channels of each stage.
        blocks: blocks of each stage.
        num_outputs: values of the output.
        in_channels: channels of an image.
        norm_groups: groups of a group normalisation; None normalises by batch.
    """

    architecture = "CifarResNet"

    def __init__(
        self,
        widths: Sequence[int] = (16, 32, 64),
        blocks: Sequence[int] = (3, 3, 3),
        num_outputs: int = 10,
        in_channels: int = 3,
        norm_groups: int | None = None,
    ) -> None:
        super().__init__()
        self.arguments = {
            "widths": list(widths),
            "blocks": list(blocks),
            "num_outputs": num_outputs,
            "in_channels": in_channels,
            "norm_groups": norm_groups,
        }
        self.conv1 = nn.Conv2d(in_channels, widths[0], 3, padding=1, bias=False)
        self.bn1 = _norm(widths[0], norm_groups)
        self.stages: list[str] = []
        channels = widths[0]
        for number, (width, depth) in enumerate(zip(widths, blocks, strict=True), start=1):
            stage = [BasicBlock(channels, width, number > 1, norm_groups)]
            stage += [BasicBlock(width, width, False, norm_groups) for _ in range(depth - 1)]
            self.stages.append(f"layer{number}")
            self.add_module(f"layer{number}", nn.Sequential(*stage))
            channels = width
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(channels, num_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs ``(batch, num_outputs)`` for images ``(batch, in_channels, height, width)``."""
        values: Tensor = self.bn1(self.conv1(inputs)).relu()
        for stage in self.stages:
            values = self.get_submodule(stage)(values)
        outputs: Tensor = self.linear(self.avgpool(values).flatten(1))
        return outputs


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut; ``down`` halves the image and puts a convolution into the shortcut."""

    def __init__(self, channels: int, width: int, down: bool, norm_groups: int | None) -> None:
        super().__init__()
        stride = 2 if down else 1
        self.conv1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = _norm(width, norm_groups)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = _norm(width, norm_groups)
        self.shortcut = nn.Sequential()
        if down:
            convolution = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
            self.shortcut = nn.Sequential(convolution, _norm(width, norm_groups))

    def forward(self, inputs: Tensor) -> Tensor:
        """The activations after the block."""
        values = self.bn2(self.conv2(self.bn1(self.conv1(inputs)).relu()))
        summed: Tensor = (values + self.shortcut(inputs)).relu()
        return summed


def _norm(width: int, groups: int | None) -> nn.Module:
    return nn.BatchNorm2d(width) if groups is None else nn.GroupNorm(groups, width)
