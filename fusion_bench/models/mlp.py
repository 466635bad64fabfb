"""A perceptron with ReLU between its layers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from fusion_bench.models.small_network import SmallNetwork


class MLP(SmallNetwork):
    """Layers ``fc1``, ``fc2``, … on flattened inputs.

    Args:
        in_features: values of one input.
        widths: units of each hidden layer.
        num_outputs: values of the output.
        bias: whether layers have biases.
    """

    architecture = "MLP"

    def __init__(self, in_features: int, widths: Sequence[int], num_outputs: int, bias: bool = True) -> None:
        super().__init__()
        self.arguments = {"in_features": in_features, "widths": list(widths), "num_outputs": num_outputs, "bias": bias}
        sizes = [in_features, *widths, num_outputs]
        for number in range(1, len(sizes)):
            self.add_module(f"fc{number}", nn.Linear(sizes[number - 1], sizes[number], bias=bias))

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs ``(batch, num_outputs)`` for inputs of any shape ``(batch, …)``."""
        first, *rest = self.children()
        values: Tensor = first(inputs.flatten(1))
        for layer in rest:
            values = layer(values.relu())
        return values
