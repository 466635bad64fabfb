"""The number of threads of torch and BLAS, which belongs to the process and is limited by several at a time."""

import threading

import torch
from threadpoolctl import threadpool_info

from fusion_bench.utils.executors import ThreadExecutor, one_blas_thread, one_torch_thread


def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_the_outermost_block_says_what_there_was_and_puts_it_back():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with one_torch_thread() as outer, one_torch_thread() as inner:
            assert (outer, inner, torch.get_num_threads()) == (3, 3, 1)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_one_that_leaves_does_not_free_the_others():
    ended, go_on = threading.Event(), threading.Event()
    found = []

    def second():
        with one_blas_thread():
            found.append(max(blas_threads(), default=1))
        ended.set()

    def first():
        with one_blas_thread():
            threading.Thread(target=second).start()
            go_on.wait(10)
            found.append(max(blas_threads(), default=1))

    before = torch.get_num_threads(), blas_threads()
    with one_blas_thread():
        thread = threading.Thread(target=first)
        thread.start()
        assert ended.wait(30)
        go_on.set()
        thread.join()
        assert torch.get_num_threads() == 1
    assert found == [1, 1]
    assert (torch.get_num_threads(), blas_threads()) == before


def test_maps_run_at_the_same_time():
    meet = threading.Barrier(2, timeout=30)

    def waits_for_the_other(name):
        meet.wait()  # would break if one map had to end before the next begins
        return name

    maps = [threading.Thread(target=ThreadExecutor(1).map, args=(waits_for_the_other, ["x"])) for _ in range(2)]
    for thread in maps:
        thread.start()
    for thread in maps:
        thread.join()
    assert not meet.broken
