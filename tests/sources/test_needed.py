"""Parts of a run: found, downloaded, sized, and what is said when they are missing."""

import pytest

from fusion_bench.models.needed import model_needed, processor_needed, tokenizer_needed
from fusion_bench.sources.hub import HubUnreachableError
from fusion_bench.sources.missing import missing_message

OWNER = "model 'mnist'"


def mnist(**where):
    return model_needed("models", "mnist", OWNER, "someone/clip_mnist", **where)


def test_download_once_and_find_afterwards(fake_hub):
    needed = mnist()
    assert needed.find() is None
    directory, files = needed.obtain()
    assert [file.name for file in files] == ["config.json", "model.safetensors"]
    fake_hub.offline = True
    assert needed.obtain() == needed.find() == (directory, files)


def test_an_interrupted_download_goes_on(fake_hub):
    fake_hub.breaks_after = 1
    with pytest.raises(FileNotFoundError, match="the Hub cannot be reached") as failed:
        mnist().obtain()
    assert isinstance(failed.value.__cause__, HubUnreachableError)
    assert mnist().find() is None  # half of it is not taken for all
    fake_hub.breaks_after = None
    mnist().obtain()
    assert fake_hub.downloaded == ["someone/clip_mnist/config.json", "someone/clip_mnist/model.safetensors"]


def test_a_copy_below_the_root_needs_no_hub(fake_hub):
    fake_hub.offline = True
    assert mnist(root=fake_hub.root / "model").find()[0] == fake_hub.root / "model" / "someone" / "clip_mnist"
    assert mnist(root=fake_hub.root / "model" / "someone").obtain()[0].name == "clip_mnist"
    assert not fake_hub.asked


def test_sizes(fake_hub):
    files = fake_hub.root / "model" / "someone" / "clip_mnist"
    expected = [(files / name).stat().st_size for name in ("config.json", "model.safetensors")]
    assert sorted(mnist().sizes()) == sorted(expected)
    (files / "model.safetensors").rename(files / "pytorch_model.bin")
    assert sorted(mnist().sizes()) == sorted(expected)
    assert model_needed("models", "x", OWNER, "nobody/nothing").sizes() is None
    fake_hub.offline = True
    assert mnist().sizes() is None


@pytest.mark.parametrize(
    ("make", "names"),
    [(tokenizer_needed, ["tokenizer.json", "tokenizer_config.json"]), (processor_needed, ["preprocessor_config.json"])],
)
def test_what_belongs_to_a_tokenizer_and_a_processor(fake_hub, make, names):
    _, files = make("task_pool", "the pool's", "someone/clip").obtain()
    assert [file.name for file in files] == names


def test_a_tower_has_a_configuration_in_place_of_a_processor_and_no_tokenizer(fake_hub):
    _, files = processor_needed("task_pool", "the pool's", "someone/clip_mnist").obtain()
    assert [file.name for file in files] == ["config.json"]
    with pytest.raises(FileNotFoundError, match=r"the pool's: 'someone/clip_mnist' is neither .*ValueError"):
        tokenizer_needed("task_pool", "the pool's", "someone/clip_mnist").obtain()


def test_a_local_directory_that_lacks_a_file_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"model 'mnist': .* holds no weights"):
        model_needed("models", "mnist", OWNER, tmp_path).obtain()
    with pytest.raises(FileNotFoundError, match="there is no directory /nowhere"):
        model_needed("models", "mnist", OWNER, "/nowhere").obtain()


def test_everything_missing_is_one_message(fake_hub, tmp_path):
    fake_hub.offline = True
    errors = []
    for name in ("mnist", "digits"):
        needed = model_needed("models", name, f"model {name!r}", "someone/x", root=tmp_path / "m")
        with pytest.raises(FileNotFoundError) as failed:
            needed.obtain()
        errors.append((needed, str(failed.value)))
    message = missing_message(errors, "fusion_bench_prefetch a=b")
    assert message.startswith("2 parts of this run cannot be read:\n  model 'mnist', model 'digits': 'someone/x' is")
    for place in (tmp_path / "m" / "someone" / "x", tmp_path / "m" / "x", "the cache "):
        assert str(place) in message
    assert "\n  fusion_bench_prefetch a=b\n" in message
