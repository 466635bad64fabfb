import ctypes
import subprocess
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

    if memory._function("malloc_trim", ctypes.c_size_t) is None:
        pytest.skip("no malloc_trim in this C library")
    pieces = [torch.ones(1 << 14) for _ in range(1024)]  # 64 KiB each, from the heap
    pieces = pieces[::8]
    before = resident()
    memory.release_free_memory()
    assert before - resident() > 40 << 20
    assert all(float(piece.sum()) == 1 << 14 for piece in pieces)


def test_without_such_a_c_library_nothing_happens(monkeypatch):
    monkeypatch.setattr(memory, "_function", lambda *args: None)
    memory.release_free_memory()
    with memory.reusing_freed_memory():
        pass


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_large_blocks_are_used_again_and_given_back():
    import resource

    if memory._function("mallopt", ctypes.c_int, ctypes.c_int) is None:
        pytest.skip("no mallopt in this C library")

    def faults_of_allocating():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(10):
            torch.ones(1 << 24)  # 64 MiB
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    with memory.reusing_freed_memory():
        faults_of_allocating()
        reused = faults_of_allocating()
    pages = (1 << 26) // 4096
    assert reused < pages  # ten times as many when each block is new


# In a process of its own, whose heap has no holes that the blocks could fill.
RETURNING = """
from pathlib import Path
from fusion_bench.utils.memory import returning_freed_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

first = bytearray(b"x") * (28 << 20)
del first  # from now on the library takes blocks of this size from the heap
with returning_freed_memory():
    blocks = [bytearray(b"x") * (6 << 20) for _ in range(32)]
    before = resident()
    del blocks[::2]  # each between two in use
    print(before - resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_large_block_goes_back_when_it_is_freed():
    if memory._function("mallopt", ctypes.c_int, ctypes.c_int) is None:
        pytest.skip("no mallopt in this C library")
    done = subprocess.run([sys.executable, "-c", RETURNING], check=True, capture_output=True, text=True)
    assert int(done.stdout) > 90 << 20


# Also in a process of its own: what an earlier test left free would serve here.
RECYCLING = """
import resource
import torch
from fusion_bench.utils.memory import recycling_freed_memory

def faults_of_allocating():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(6 << 18)  # 6 MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

with recycling_freed_memory():
    faults_of_allocating()
    print(faults_of_allocating())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the C library of Linux")
def test_what_is_freed_serves_the_next_of_its_size():
    if memory._function("mallopt", ctypes.c_int, ctypes.c_int) is None:
        pytest.skip("no mallopt in this C library")
    done = subprocess.run([sys.executable, "-c", RECYCLING], check=True, capture_output=True, text=True)
    assert int(done.stdout) < (6 << 20) // 4096  # ten times as many when each block is new


@pytest.mark.parametrize("shape", [(), (0, 3), (7,), (600, 700), (3, 1024, 512)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_tensor_apart_is_like_any_other(shape, dtype):
    tensor = memory.empty_apart(shape, dtype, torch.device("cpu"))
    assert (tensor.shape, tensor.dtype, tensor.device.type) == (shape, dtype, "cpu")
    assert tensor.is_contiguous()
    assert bool((tensor.fill_(2) * tensor == 4).all())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_pages_apart_go_back_with_their_tensor():
    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    tensors = [memory.empty_apart((3 << 18,), torch.float32, torch.device("cpu")).fill_(1) for _ in range(32)]
    before = resident()
    view = tensors[1][10:12]
    del tensors[::2]  # each between two in use
    assert before - resident() > 40 << 20
    assert all(float(tensor.sum()) == 3 << 18 for tensor in tensors)
    del tensors
    assert view.tolist() == [1, 1]  # a view keeps the pages


def test_where_there_are_no_huge_pages_a_tensor_apart_is_an_ordinary_one(monkeypatch):
    monkeypatch.delattr(memory.mmap, "MADV_HUGEPAGE", raising=False)
    assert memory.empty_apart((1024, 1024), torch.float32, torch.device("cpu")).shape == (1024, 1024)
