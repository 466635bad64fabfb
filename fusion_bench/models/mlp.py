"""A perceptron with ReLU between its layers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class MLP(nn.Module):
    """Layers ``fc1``, ``fc2``, … on flattened inputs.

    Args:
        in_features: values of one input.
        widths: units of each hidden layer.
        num_outputs: values of the output.
        bias: whether layers have biases.
    """

    def __init__(self, in_features: int, widths: Sequence[int], num_outputs: int, bias: bool = True) -> None:
        super().__init__()
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
