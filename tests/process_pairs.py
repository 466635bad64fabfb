"""A group of two processes, as DDP starts them."""

import multiprocessing
import os
import socket
import traceback

import torch
import torch.distributed as dist


def _member(rank, port, directory, queue, work):
    """One process of a group of two."""
    try:
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
        torch.set_num_threads(1)
        dist.init_process_group("gloo", rank=rank, world_size=2)
        queue.put((rank, work(rank, directory)))
        dist.destroy_process_group()
    except BaseException:
        queue.put((rank, traceback.format_exc()))
        raise


def in_two_processes(directory, work):
    """What ``work(rank, directory)`` gives in each of two processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    members = [context.Process(target=_member, args=(rank, port, directory, queue, work)) for rank in range(2)]
    for member in members:
        member.start()
    results = dict(queue.get(timeout=120) for _ in members)
    for member in members:
        member.join(60)
    assert [member.exitcode for member in members] == [0, 0], results
    return results[0], results[1]
