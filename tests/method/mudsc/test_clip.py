"""Vision towers of CLIP: a scrambled one is put back, and images of a pool are compared on."""

import pytest
import torch
from nets import clip_tower
from PIL import Image

from fusion_bench.method import SimpleAverage
from fusion_bench.method.mudsc import ActivationAlign, MuDSCAlign, WeightAlign
from fusion_bench.modelpool import CLIPVisionModelPool
from fusion_bench.models.permutation_registry import spec_for
from fusion_bench.models.permuting import permuted_params, random_permutations

TOWERS = {"mnist": "tiny8/clip-vit-tiny_mnist", "digits": "tiny8/clip-vit-tiny_digits"}
DATA = {name: {"path": f"tiny8/{name}", "split": "train"} for name in TOWERS}


def scrambled_pool(residual: bool) -> CLIPVisionModelPool:
    """Two fine-tuned towers, the second with its units in another order."""
    pool = CLIPVisionModelPool({"_pretrained_": "tiny8/clip-vit-tiny", **TOWERS}, train_datasets=DATA)
    tower = pool.load_model("digits")
    spec = spec_for(tower, residual=residual)
    params = tower.state_dict()
    generator = torch.Generator().manual_seed(0)
    tower.load_state_dict(permuted_params(params, spec, random_permutations(spec, params, generator)))
    models = {"_pretrained_": "tiny8/clip-vit-tiny", "mnist": TOWERS["mnist"], "digits": tower}
    return CLIPVisionModelPool(models, train_datasets=DATA)


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize(
    "method",
    [lambda **o: WeightAlign(**o), lambda **o: MuDSCAlign(images=64, batch_size=32, **o)],
    ids=["weights", "both"],
)
def test_a_scrambled_tower_is_put_back_completely(method, residual):
    merged = method(statistics="none", residual=residual).run(scrambled_pool(residual))
    expected = SimpleAverage().run(CLIPVisionModelPool({"_pretrained_": "tiny8/clip-vit-tiny", **TOWERS})).state_dict()
    for name, tensor in merged.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-6)


def test_images_of_the_pool_are_preprocessed():
    pool = CLIPVisionModelPool({"_pretrained_": "tiny8/clip-vit-tiny", **TOWERS}, train_datasets=DATA)
    (batch,) = pool.input_batches(list(TOWERS), batch_size=8, limit=8, generator=torch.Generator().manual_seed(0))
    size = pool.load_model("mnist").config.image_size
    assert batch.shape == (8, 3, size, size)
    assert batch.dtype == torch.float32
    assert -3 < float(batch.min()) < 0 < float(batch.max()) < 3


def test_labels_and_class_names_are_not_needed():
    rows = [{"image": Image.new("RGB", (16, 16), (16 * number, 0, 0)), "label": "unheard of"} for number in range(4)]
    pool = CLIPVisionModelPool({"_pretrained_": "tiny8/clip-vit-tiny"}, train_datasets={"mine": rows})
    (batch,) = pool.input_batches(["mine"], batch_size=4, limit=None, generator=torch.Generator().manual_seed(0))
    assert len(batch) == 4


def test_tensors_are_taken_as_they_are():
    towers = {"a": clip_tower(), "b": clip_tower()}
    inputs = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    pool = CLIPVisionModelPool(towers, train_datasets=dict.fromkeys(towers, inputs))
    merged = ActivationAlign(statistics="none").run(pool)
    assert torch.isfinite(merged(inputs).pooler_output).all()
