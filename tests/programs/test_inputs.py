"""What a run reads from files is checked before it merges: there, of one backbone, expected; and then reported."""

import json

import pytest
from clip_files import make_clip, make_rows, write_clip

from fusion_bench.method.analysis import LossBarrier, LossLandscape
from fusion_bench.method.dummy import Dummy
from fusion_bench.method.mudsc import ActivationAlign, WeightAlign
from fusion_bench.method.opcm.opcm import OPCM
from fusion_bench.method.simple_average import SimpleAverage
from fusion_bench.modelpool import ImageClassificationModelPool
from fusion_bench.modelpool.clip_vision import CLIPVisionModelPool
from fusion_bench.models.fingerprint import combined_sha256, sha256
from fusion_bench.programs.fusion import individual_accuracies
from fusion_bench.programs.inputs import needed_by_method
from fusion_bench.programs.merge import merge_and_evaluate
from fusion_bench.report import EvalReport
from fusion_bench.taskpool.clip_vision import CLIPVisionModelTaskPool

IDS = {"_pretrained_": "someone/clip", "mnist": "someone/clip_mnist", "digits": "someone/clip_digits"}
TASKS = {"mnist": "someone/mnist"}


def pools(models=IDS, tasks=TASKS, expect=None, base_model="someone/clip", **where):
    places = {key: where.get(key) for key in ("model_dir", "data_dir")}
    taskpool = CLIPVisionModelTaskPool(tasks, base_model=base_model, dataloader_kwargs={"batch_size": 4}, **places)
    return CLIPVisionModelPool(models, expect=expect, **places), taskpool


@pytest.fixture
def never_merged(monkeypatch):
    monkeypatch.setattr(CLIPVisionModelPool, "check", lambda *args, **kwargs: pytest.fail("the run began"))


def test_a_run_on_local_copies_asks_nobody(fake_hub, no_network):
    fake_hub.offline = True
    where = {"model_dir": fake_hub.root / "model", "data_dir": fake_hub.root / "dataset" / "someone"}
    result = merge_and_evaluate(SimpleAverage(), *pools(**where))
    assert list(result.report.scores) == ["mnist"]
    assert not fake_hub.asked


def test_a_run_on_the_cache_gives_the_same_and_downloads_first(fake_hub):
    where = {"model_dir": fake_hub.root / "model", "data_dir": fake_hub.root / "dataset"}
    local = merge_and_evaluate(SimpleAverage(), *pools(**where)).report
    assert not fake_hub.asked
    assert merge_and_evaluate(SimpleAverage(), *pools()).report == local  # the fingerprints too
    fake_hub.offline = True
    assert merge_and_evaluate(SimpleAverage(), *pools()).report == local


@pytest.mark.usefixtures("never_merged")
@pytest.mark.parametrize("unreachable", [True, False])
def test_everything_missing_is_one_error_before_the_run(fake_hub, tmp_path, unreachable):
    fake_hub.unreachable, fake_hub.offline = unreachable, not unreachable
    with pytest.raises(FileNotFoundError) as failed:
        merge_and_evaluate(SimpleAverage(), *pools(model_dir=tmp_path / "m"), prefetch="fusion_bench_prefetch a=b")
    message = str(failed.value)
    for text in ("someone/clip_mnist", "someone/clip_digits", "data set of task 'mnist': 'someone/mnist'"):
        assert text in message
    owners = "model '_pretrained_', the model pool's processor, the task pool's clip_model, the task pool's tokenizer"
    assert f"{owners}, the task pool's processor: 'someone/clip' is neither in" in message
    assert str(tmp_path / "m" / "someone" / "clip_mnist") in message
    assert message.startswith("8 parts of this run cannot be read")
    assert "fusion_bench_prefetch a=b" in message
    assert len(fake_hub.asked) == unreachable  # one refusal is enough


def test_a_method_needs_the_models_it_loads(fake_hub):
    merge_and_evaluate(Dummy(), *pools({**IDS, "digits": "nobody/nothing"}))
    result = merge_and_evaluate(OPCM(order=["mnist"]), *pools({**IDS, "digits": "nobody/nothing"}))
    assert list(result.report.fingerprints["models"]) == ["_pretrained_", "mnist"]
    assert "someone/clip_digits" not in fake_hub.asked


def test_fingerprints_are_in_the_report_and_in_no_reader_s_way(fake_hub, tmp_path):
    tasks = {**TASKS, "digits": make_rows(4, 10)}
    models = {**IDS, "digits": make_clip(7).vision_model}
    report = merge_and_evaluate(SimpleAverage(), *pools(models, tasks)).report
    source = fake_hub.root / "model" / "someone" / "clip_mnist"
    files = {name: sha256(source / name) for name in ("config.json", "model.safetensors")}
    prints = report["fingerprints"]
    assert prints["models"]["mnist"] == {
        "source": "someone/clip_mnist",
        "sha256": combined_sha256(files),
        "files": files,
    }
    assert list(prints["models"]) == ["_pretrained_", "mnist"]  # what is in memory has no files
    assert list(prints["task_pool"]) == ["clip_model", "tokenizer", "processor"]
    assert list(prints["datasets"]) == ["mnist"]
    assert list(prints["datasets"]["mnist"]["files"]) == ["data/test-00000-of-00001.parquet"]
    text = json.dumps(report.to_dict())
    assert EvalReport.from_dict(json.loads(text)) == report
    (tmp_path / "report.json").write_text(text, encoding="utf-8")
    assert list(individual_accuracies(str(tmp_path / "report.json"))) == ["mnist", "digits"]
    assert report.select(["mnist"]).fingerprints == prints


def test_the_report_has_the_fingerprint_that_resuming_compares(fake_hub):
    pool, taskpool = pools()
    prints = merge_and_evaluate(SimpleAverage(), pool, taskpool).report.fingerprints["models"]
    assert pool.fingerprints(["mnist"]) == {name: prints[name]["sha256"] for name in ("_pretrained_", "mnist")}


def test_what_is_expected_is_compared_before_the_run(fake_hub, monkeypatch):
    prints = merge_and_evaluate(SimpleAverage(), *pools()).report.fingerprints["models"]
    digest, files = prints["mnist"]["sha256"], prints["mnist"]["files"]
    for expect in ({"mnist": digest}, {"mnist": digest.upper()}, {"mnist": files}):
        merge_and_evaluate(SimpleAverage(), *pools(expect=expect))
    merge_and_evaluate(Dummy(), *pools(expect={"mnist": "another"}))  # which does not load it
    monkeypatch.setattr(CLIPVisionModelPool, "check", lambda *args, **kwargs: pytest.fail("the run began"))
    wrong = "0" * 64
    message = f"config.json, model.safetensors of 'someone/clip_mnist' has SHA-256 {digest}, expected {wrong}"
    with pytest.raises(ValueError, match=rf"model 'mnist' is not the expected one: {message}"):
        merge_and_evaluate(SimpleAverage(), *pools(expect={"mnist": wrong}))
    message = f"one: model.safetensors of 'someone/clip_mnist' has SHA-256 {files['model.safetensors']}, expected"
    with pytest.raises(ValueError, match=message):
        merge_and_evaluate(SimpleAverage(), *pools(expect={"mnist": {**files, "model.safetensors": wrong}}))
    with pytest.raises(ValueError, match=r"other\.bin of 'someone/clip_mnist' has SHA-256 None"):
        merge_and_evaluate(SimpleAverage(), *pools(expect={"mnist": {"other.bin": wrong}}))
    with pytest.raises(KeyError, match=r"modelpool.expect: no model 'mnits' in this pool; it has \['_pre"):
        merge_and_evaluate(SimpleAverage(), *pools(expect={"mnits": digest}))
    models = {**IDS, "digits": make_clip(7).vision_model}
    with pytest.raises(ValueError, match="model 'digits' is not read from files, so it has no SHA-256"):
        merge_and_evaluate(SimpleAverage(), *pools(models, expect={"digits": digest}))


@pytest.mark.usefixtures("never_merged")
@pytest.mark.parametrize(("key", "value"), [("hidden", 64), ("patch_size", 16)])
def test_two_backbones_are_an_error_before_the_run(fake_hub, tmp_path, key, value, monkeypatch):
    other = write_clip(tmp_path / "other", **{key: value})
    monkeypatch.setattr("fusion_bench.taskpool.clip_sources.load_clip_model", lambda *args, **kw: pytest.fail("loaded"))
    field = "hidden_size" if key == "hidden" else key
    with pytest.raises(
        ValueError, match=rf"'someone/clip' of the model pool has {field} \d+, '.*other' of .* {value};"
    ):
        merge_and_evaluate(SimpleAverage(), *pools(base_model=str(other)))


def test_a_task_pool_without_tasks_may_be_of_any_backbone(fake_hub, tmp_path):
    other = write_clip(tmp_path / "other", patch_size=16)
    merge_and_evaluate(SimpleAverage(), *pools(tasks={}, base_model=str(other)))


def test_training_data_of_a_method_is_found_before_the_run(fake_hub, never_merged):
    fake_hub.offline = True
    trained = {"train_datasets": {"mnist": "someone/mnist_train", "digits": "someone/digits_train"}}
    pool = CLIPVisionModelPool(IDS, **trained)
    with pytest.raises(FileNotFoundError) as failed:
        merge_and_evaluate(ActivationAlign(), pool)
    assert "'someone/mnist_train'" in str(failed.value)
    assert "'someone/digits_train'" in str(failed.value)
    with pytest.raises(FileNotFoundError) as failed:
        merge_and_evaluate(WeightAlign(statistics="none"), pool)
    assert "_train" not in str(failed.value)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (ActivationAlign(statistics="none"), ["mnist", "digits"]),
        (WeightAlign(), ["mnist", "digits"]),
        (WeightAlign(statistics="none"), []),
        (SimpleAverage(), []),
        (LossBarrier(), ["mnist", "digits"]),
        (LossBarrier(corrected=False), []),
        (LossLandscape(merging=ActivationAlign(), models=["digits", "mnist"]), ["digits", "mnist"]),
        (LossLandscape(), []),
    ],
)
def test_which_training_data_is_read(method, expected):
    pool = CLIPVisionModelPool(IDS, train_datasets={"mnist": "a/b", "digits": "c/d"})
    assert method.trained_names(pool) == expected
    assert [part.section for part in needed_by_method(method, pool)] == ["training_datasets"] * len(expected)
    assert method.trained_names(CLIPVisionModelPool(IDS, train_datasets={"mnist": "a/b"})) == []


def test_data_for_batch_norms_of_a_landscape_are_found_before_the_run():
    models = {"mnist": "a/mnist", "digits": "a/digits"}
    pool = ImageClassificationModelPool(models, train_datasets={"mnist": "a/b", "digits": "c/d"})
    assert LossLandscape(models=["digits", "mnist"]).trained_names(pool) == ["digits", "mnist"]
    assert len(needed_by_method(LossLandscape(), pool)) == 2
    assert LossLandscape(statistics_images=0).trained_names(pool) == []
    assert LossLandscape().trained_names(ImageClassificationModelPool(models, train_datasets={"mnist": "a/b"})) == []
