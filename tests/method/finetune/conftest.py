"""One thread, and pools of a tiny CLIP model with images of digits."""

import pytest
import torch
from finetune_files import make_pools


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def pools(tiny_clip_dir):
    return make_pools(tiny_clip_dir)
