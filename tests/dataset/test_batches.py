"""Batches, what is kept of them in memory and on disk, and what damage does."""

import errno
import multiprocessing
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from clip_files import IMAGE_SIZE, make_images, make_rows

from fusion_bench.dataset import pixel_store
from fusion_bench.dataset.batches import PixelBatches
from fusion_bench.dataset.images import LabelledImages
from fusion_bench.dataset.loading import load_image_classification
from fusion_bench.dataset.pixel_store import PixelStore
from fusion_bench.dataset.pixels import EncodedImages, PixelTransform
from fusion_bench.models.clip_loading import default_image_processor

ROWS = make_rows(7, 3)
GIB = 1 << 30


@pytest.fixture
def encoded():
    return EncodedImages(LabelledImages.of(ROWS, origin="rows"), PixelTransform(default_image_processor(IMAGE_SIZE)))


def write_folder(root):
    for index, image in enumerate(make_images(9)):
        file = root / "test" / ("cat" if index % 2 else "bird") / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        image.save(file)
    return root


def read_folder(root, **settings):
    processor = default_image_processor(IMAGE_SIZE)
    for name, value in settings.items():
        setattr(processor, name, value)
    images = load_image_classification(root).with_classnames(["cat", "bird"])
    return EncodedImages(images, PixelTransform(processor))


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "birds")


@pytest.fixture
def store(tmp_path):
    return PixelStore(tmp_path / "cache", GIB)


def collect(batches):
    images, labels = zip(*batches, strict=True)
    return torch.cat(images), torch.cat(labels)


def same(first, second):
    return all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def plain(encoded):
    return torch.stack([image for image, _ in encoded]), torch.tensor([label for _, label in encoded])


def refuse_to_read(monkeypatch):
    monkeypatch.setattr(LabelledImages, "row", lambda *args: pytest.fail("read the data again"))


@pytest.mark.parametrize("keep_bytes", [0, GIB])
def test_every_pass_gives_the_same_batches(encoded, keep_bytes, monkeypatch):
    batches = PixelBatches(encoded, {"batch_size": 3}, keep_bytes=keep_bytes)
    assert [len(labels) for _, labels in batches] == [3, 3, 1]
    assert len(batches) == 3
    expected = plain(encoded)
    if keep_bytes:
        refuse_to_read(monkeypatch)
    assert batches.kept_bytes == (7 * 3 * IMAGE_SIZE**2 if keep_bytes else 0)
    assert same(collect(batches), expected)
    assert same(collect(batches), expected)


@pytest.mark.parametrize("world_size", [1, 2, 3, 5])
def test_shares_are_the_batches_of_one_process(encoded, folder, store, world_size):
    for data, place in ((encoded, None), (read_folder(folder), store)):
        batches = PixelBatches(data, {"batch_size": 2}, keep_bytes=0, store=place)
        whole = list(batches)
        for rank in range(world_size):
            shared = list(batches.share(rank, world_size))
            assert len(shared) == len(whole[rank::world_size])
            assert all(same(one, other) for one, other in zip(shared, whole[rank::world_size], strict=True))


def test_an_interrupted_pass_is_not_kept(encoded, folder, store):
    for data, place in ((encoded, None), (read_folder(folder), store)):
        batches = PixelBatches(data, {"batch_size": 3}, keep_bytes=GIB, store=place)
        iterator = iter(batches)
        next(iterator)
        iterator.close()
        assert not list(store.directory.glob("*"))
        assert same(collect(batches), plain(data))


def test_the_first_batch_only(encoded):
    batches = PixelBatches(encoded, {"batch_size": 3}, keep_bytes=GIB, first_only=True)
    assert [len(labels) for _, labels in batches] == [3]
    assert [len(labels) for _, labels in PixelBatches(encoded, {}, keep_bytes=0, first_only=True)] == [7]


def test_workers(encoded):
    batches = PixelBatches(encoded, {"batch_size": 3, "num_workers": 1}, keep_bytes=0)
    assert same(collect(batches), plain(encoded))


@pytest.mark.parametrize("option", [{"shuffle": True}, {"drop_last": True}, {"sampler": []}, {"collate_fn": list}])
def test_options_that_would_change_what_is_scored(encoded, option):
    with pytest.raises(ValueError, match=rf"dataloader_kwargs\.{next(iter(option))}"):
        PixelBatches(encoded, option, keep_bytes=0)


def test_an_unknown_option_is_found_at_once(encoded):
    with pytest.raises(TypeError, match="num_wrkers"):
        PixelBatches(encoded, {"num_wrkers": 2}, keep_bytes=0)


def test_global_random_state_is_left_alone(encoded):
    before = torch.get_rng_state()
    collect(PixelBatches(encoded, {"num_workers": 1}, keep_bytes=0))
    assert torch.equal(torch.get_rng_state(), before)


# ---- on disk


def test_a_later_run_reads_no_image(folder, store, monkeypatch):
    data = read_folder(folder)
    first = collect(PixelBatches(data, {"batch_size": 4}, keep_bytes=0, store=store))
    assert same(first, plain(data))
    refuse_to_read(monkeypatch)
    batches = PixelBatches(read_folder(folder), {"batch_size": 5}, keep_bytes=0, store=store)
    assert same(collect(batches), first)
    assert batches.kept_bytes == 0
    start = PixelBatches(read_folder(folder), {"batch_size": 2}, keep_bytes=0, first_only=True, store=store)
    assert same(collect(start), (first[0][:2], first[1][:2]))


def test_what_images_or_preprocessing_depend_on_changes_the_key(folder):
    base = read_folder(folder)
    assert read_folder(folder).key == base.key
    keys = [
        base.key,
        read_folder(folder, size={"shortest_edge": IMAGE_SIZE + 1}).key,
        read_folder(folder, resample=2).key,
        EncodedImages(base.images.with_classnames(["bird", "cat"]), base.transform).key,
    ]
    make_images(1, seed=5)[0].save(folder / "test" / "cat" / "1.png")
    keys.append(read_folder(folder).key)
    (folder / "test" / "cat" / "1.png").rename(folder / "test" / "bird" / "1.png")
    keys.append(read_folder(folder).key)
    assert len(set(keys)) == 6
    assert None not in keys


def test_what_has_no_known_origin_is_not_put_on_disk(encoded, folder, store):
    data = read_folder(folder)
    assert encoded.key is None
    assert EncodedImages(data.images, PixelTransform(lambda image: torch.zeros(3, 2, 2))).key is None
    batches = PixelBatches(encoded, {}, keep_bytes=GIB, store=store)
    collect(batches)
    assert batches.kept_bytes
    assert not store.directory.exists()


def stored_file(store):
    (file,) = store.directory.glob("*.safetensors")
    return file


@pytest.mark.parametrize("images", [9])
@pytest.mark.parametrize("where", ["header", "labels", "pixels", "end"])
def test_a_damaged_file_is_noticed_and_made_again(folder, store, monkeypatch, caplog, where, images):
    monkeypatch.setattr("fusion_bench.dataset.pixel_file._BLOCK_BYTES", 2 * 3 * IMAGE_SIZE**2)
    data = read_folder(folder)
    expected = collect(PixelBatches(data, {"batch_size": 2}, keep_bytes=0, store=store))
    file = stored_file(store)
    content = bytearray(file.read_bytes())
    if where == "end":
        content = content[:-1000]
    else:
        pixels = images * 3 * IMAGE_SIZE**2
        place = {"header": 12, "labels": len(content) - pixels - 80, "pixels": len(content) - 900}[where]
        content[place] ^= 1
    file.unlink()
    file.write_bytes(content)
    batches = PixelBatches(read_folder(folder), {"batch_size": 2}, keep_bytes=0, store=store)
    assert same(collect(batches), expected)
    assert "will be made again" in caplog.text
    assert same(collect(batches), expected)
    assert same(collect(PixelBatches(data, {}, keep_bytes=0, store=store)), expected)
    refuse_to_read(monkeypatch)
    assert same(collect(PixelBatches(read_folder(folder), {}, keep_bytes=0, store=store)), expected)


class FullDisk:
    """A file that takes a number of writes."""

    def __init__(self, file, writes):
        self._file, self._writes = file, writes

    def write(self, data):
        self._writes -= 1
        if self._writes < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._file.write(data)

    def __getattr__(self, name):
        return getattr(self._file, name)


@pytest.mark.parametrize("writes", [None, 0, 3, 5, 6, 7])
def test_a_full_disk_costs_time_only(folder, store, monkeypatch, caplog, writes):
    if writes is None:
        monkeypatch.setattr(os, "posix_fallocate", lambda *args: FullDisk(None, 0).write(b""), raising=False)
    opened = Path.open
    monkeypatch.setattr(
        Path,
        "open",
        lambda path, mode="r", **kwargs: (
            FullDisk(opened(path, mode), writes)
            if mode == "wb" and writes is not None
            else opened(path, mode, **kwargs)
        ),
    )
    data = read_folder(folder)
    batches = PixelBatches(data, {"batch_size": 2}, keep_bytes=GIB, store=store)
    for _ in range(2):
        assert same(collect(batches), plain(data))
    assert "No space left on device" in caplog.text
    assert not list(store.directory.iterdir())


def test_a_directory_that_cannot_be_made_is_no_error(folder, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    batches = PixelBatches(read_folder(folder), {}, keep_bytes=GIB, store=PixelStore(tmp_path / "file" / "cache", GIB))
    assert same(collect(batches), plain(read_folder(folder)))
    assert batches.kept_bytes
    assert "are not kept in" in caplog.text


def test_the_limit_removes_what_was_not_used_for_longest(tmp_path):
    pixels = torch.arange(4 * 3 * 8 * 8).to(torch.uint8).reshape(4, 3, 8, 8)
    store = PixelStore(tmp_path, 3 * (pixels.numel() + 400))

    def write(key):
        writer = store.create(key, 4, (3, 8, 8))
        writer.add(pixels, torch.arange(4))
        writer.finish()

    def age(key, seconds):
        path = store._path(key)
        os.utime(path, (path.stat().st_atime - seconds, path.stat().st_mtime - seconds))

    for number, key in enumerate("abc"):
        write(key)
        age(key, 100 - number)
    assert store.open("a") is not None  # used just now
    kept = store.open("b")
    age("b", 99)
    write("d")
    assert {path.stem for path in tmp_path.glob("*.safetensors")} == {"a", "c", "d"}
    assert torch.equal(kept.batch(0, 4)[0], pixels)  # whoever has it open keeps it
    assert PixelStore(tmp_path, 100).create("e", 4, (3, 8, 8)) is None


def test_what_an_ended_process_left_is_removed(store, monkeypatch):
    writer = store.create("a", 1, (3, 8, 8))
    (partial,) = store.directory.glob(".partial-*")
    store.create("b", 1, (3, 8, 8)).abandon()
    assert partial.exists()  # may be in work
    monkeypatch.setattr(pixel_store, "_ABANDONED", -1)
    store.create("b", 1, (3, 8, 8)).abandon()
    assert not partial.exists()
    writer.abandon()


def test_a_writer_wants_all_images(store):
    writer = store.create("a", 2, (3, 8, 8))
    writer.add(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.zeros(1))
    with pytest.raises(ValueError, match="1 of 2 images were written"):
        writer.finish()
    assert not list(store.directory.iterdir())


def _score_folder(arguments):
    root, cache = arguments
    batches = PixelBatches(read_folder(root), {"batch_size": 2}, keep_bytes=0, store=PixelStore(Path(cache), GIB))
    images, labels = collect(batches)
    return np.asarray(images).tobytes(), labels.tolist()


def test_processes_may_make_the_same_file_at_once(folder, store):
    expected = plain(read_folder(folder))
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for images, labels in pool.map(_score_folder, [(folder, store.directory)] * 4, chunksize=1):
            assert images == expected[0].numpy().tobytes()
            assert labels == expected[1].tolist()
    assert [path.suffix for path in store.directory.iterdir()] == [".safetensors"]


def test_threads_may_make_the_same_file_at_once(folder, store):
    expected, found = plain(read_folder(folder)), []
    threads = [
        threading.Thread(
            target=lambda: found.append(collect(PixelBatches(read_folder(folder), {}, keep_bytes=0, store=store)))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(same(one, expected) for one in found)
