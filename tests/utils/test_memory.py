import sys
from pathlib import Path

import pytest
import torch

from fusion_bench.utils import memory


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_free_pages_between_pieces_in_use_go_back():
    def resident():
        fields = Path("/proc/self/statm").read_text().split()
        return int(fields[1]) * 4096

    if memory._malloc_trim() is None:
        pytest.skip("no malloc_trim in this C library")
    pieces = [torch.ones(1 << 14) for _ in range(1024)]  # 64 KiB each, from the heap
    pieces = pieces[::8]
    before = resident()
    memory.release_free_memory()
    assert before - resident() > 40 << 20
    assert all(float(piece.sum()) == 1 << 14 for piece in pieces)


def test_without_such_a_c_library_nothing_happens(monkeypatch):
    monkeypatch.setattr(memory, "_malloc_trim", lambda: None)
    memory.release_free_memory()
