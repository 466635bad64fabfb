"""A pool of two published perceptrons with the images their activations are compared on."""

from mudsc_oracle import case, networks

from fusion_bench.modelpool import BaseModelPool


def oracle_pool(network: str = "mlp") -> BaseModelPool:
    images = case(network)["inputs"]["act_batches"].flatten(0, 1)
    return BaseModelPool(dict(zip("AB", networks(network), strict=True)), train_datasets={"A": images, "B": images})


def assert_published(merged, network: str, run: str) -> None:
    """The merged model's tensors are those of a published run."""
    expected = case(network)["variants"][run]["merged"]
    for name, tensor in merged.state_dict().items():
        if tensor.is_floating_point():
            assert (tensor - expected[name]).abs().max() <= 1e-5, name
