"""Zero-shot scores against a plain loop, what is set up how often, and what is left as it was."""

import copy
import json

import pytest
import torch
from clip_files import DIM, HIDDEN, IMAGE_SIZE, PATCH_SIZE, make_clip, make_rows, make_tokenizer
from datasets import Dataset
from helpers import same_tensors
from safetensors.torch import load_file
from torch import nn
from transformers import CLIPProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from fusion_bench.dataset import images as images_module
from fusion_bench.dataset.registry import class_names
from fusion_bench.dataset.task import ClassificationTask
from fusion_bench.models.clip_loading import default_image_processor
from fusion_bench.taskpool import clip_sources as sources_module
from fusion_bench.taskpool import heads as heads_module
from fusion_bench.taskpool import image_tasks
from fusion_bench.taskpool.clip_vision import CLIPVisionModelTaskPool

SIZES = {"mnist": 11, "tiny8/letters": 7, "digits": 5}
CLASSES = {"mnist": 10, "tiny8/letters": 26, "digits": 10}
ROWS = {task: make_rows(size, CLASSES[task], seed) for seed, (task, size) in enumerate(SIZES.items())}


@pytest.fixture
def make_pool(tiny_clip_dir):
    def make(**kwargs):
        settings = {"base_model": str(tiny_clip_dir), "dataloader_kwargs": {"batch_size": 4}, **kwargs}
        return CLIPVisionModelTaskPool(settings.pop("test_datasets", ROWS), **settings)

    return make


@pytest.fixture
def tower():
    return make_clip(1).vision_model


@torch.no_grad()
def plain_scores(tower, task, rows):
    """Accuracy and loss of one task, image by image and prompt by prompt, in float64 where it counts."""
    clip, tokenizer, processor = make_clip(), make_tokenizer(), default_image_processor(IMAGE_SIZE)
    names = class_names(task)
    head = []
    for name in names.classnames:
        vectors = []
        for template in names.templates:
            pooled = clip.text_model(**tokenizer(template.format(name), return_tensors="pt")).pooler_output
            vector = clip.text_projection(pooled)[0].double()
            vectors.append(vector / vector.norm())
        mean = torch.stack(vectors).mean(0)
        head.append(mean / mean.norm())
    hits, losses = 0, []
    for row in rows:
        pixels = processor(images=[row["image"]], return_tensors="pt")["pixel_values"]
        feature = clip.visual_projection(tower(pixels).pooler_output)[0].double()
        logits = clip.logit_scale.double().exp() * torch.stack(head) @ (feature / feature.norm())
        hits += int(logits.argmax() == row["label"])
        losses.append(float(torch.logsumexp(logits, 0) - logits[row["label"]]))
    return hits / len(rows), sum(losses) / len(rows)


@pytest.mark.usefixtures("no_network")
def test_report_equals_a_plain_loop(make_pool, tower):
    report = make_pool().evaluate(tower, "merged")
    for task, rows in ROWS.items():
        accuracy, loss = plain_scores(tower, task, rows)
        assert report[task]["accuracy"] == pytest.approx(accuracy)
        assert report[task]["loss"] == pytest.approx(loss, rel=1e-5)  # mean over samples: 11 is no multiple of 4
    assert report["average"]["loss"] == pytest.approx(sum(report[task]["loss"] for task in ROWS) / 3)
    assert report["model_info"]["name"] == "merged"
    json.dumps(report.to_dict(), allow_nan=False)


@pytest.fixture
def counted(monkeypatch, tmp_path):
    """Counts data sets set up, heads computed, models loaded and images read; nothing was kept before."""
    monkeypatch.setenv("FUSION_BENCH_CACHE_DIR", str(tmp_path / "cache"))
    counts = {"setup": [], "head": [], "clip": 0, "image": 0}
    load, head = ClassificationTask.load, heads_module.zero_shot_head
    clip, row = sources_module.load_clip_model, images_module.LabelledImages.row

    def counting_load(self, task, **kwargs):
        counts["setup"].append(task)
        return load(self, task, **kwargs)

    def counting_head(side, tokenizer, names, templates):
        counts["head"].append((tuple(names), tuple(templates)))
        return head(side, tokenizer, names, templates)

    def counting_clip(*args, **kwargs):
        counts["clip"] += 1
        return clip(*args, **kwargs)

    def counting_row(self, index):
        counts["image"] += 1
        return row(self, index)

    monkeypatch.setattr(ClassificationTask, "load", counting_load)
    monkeypatch.setattr(heads_module, "zero_shot_head", counting_head)
    monkeypatch.setattr(sources_module, "load_clip_model", counting_clip)
    monkeypatch.setattr(images_module.LabelledImages, "row", counting_row)
    return counts


def test_tasks_and_heads_are_set_up_once_however_often_a_model_is_scored(make_pool, tower, counted):
    pool = make_pool()
    first = pool.evaluate(tower)
    read = counted["image"]
    for tasks in (["tiny8/letters"], ["digits", "mnist"], None):
        report = pool.evaluate(tower, tasks=tasks)
        assert all(report.scores[task] == first.scores[task] for task in report.scores)
    assert sorted(counted["setup"]) == sorted(ROWS)
    assert len(counted["head"]) == 3
    assert counted["clip"] == 1
    assert counted["image"] == read  # preprocessed images were kept


def test_nothing_is_set_up_before_it_is_needed(make_pool, tower, counted):
    pool = make_pool()
    pool.setup(device=torch.device("cpu"))
    assert pool.task_names == list(ROWS)
    assert counted["clip"] == 0
    pool.evaluate(tower, tasks=["tiny8/letters"])
    assert counted["setup"] == ["tiny8/letters"]
    assert len(counted["head"]) == 1


def test_data_that_is_too_large_to_keep_is_read_each_time(make_pool, tower, counted, monkeypatch):
    monkeypatch.setattr(image_tasks, "KEPT_PIXEL_BYTES", 0)
    pool = make_pool()
    first = pool.evaluate(tower)
    read = counted["image"]
    assert pool.evaluate(tower) == first
    assert counted["image"] > read
    assert len(counted["setup"]) == len(counted["head"]) == 3


def test_heads_are_shared_by_equal_tasks_only(make_pool, tower, counted):
    rows = ROWS["mnist"]
    pool = make_pool(
        test_datasets={
            "mnist": rows,
            "same": {"dataset": rows, "classnames": "mnist"},
            "other prompt": {"dataset": rows, "classnames": "mnist", "templates": ["the digit {}"]},
            "other names": {
                "dataset": rows,
                "classnames": list("9876543210"),
                "templates": ['a photo of the number: "{}".'],
            },
        }
    )
    report = pool.evaluate(tower)
    assert len(counted["head"]) == 3
    assert report["same"] == report["mnist"]
    assert report["other names"] != report["mnist"] != report["other prompt"]


def test_a_head_is_never_stale(make_pool, tower):
    clip = make_clip()
    pool = make_pool(clip_model=clip)
    before = pool.evaluate(tower, tasks=["mnist"])
    with torch.no_grad():
        clip.text_projection.weight.add_(torch.randn(clip.text_projection.weight.shape))
    assert pool.evaluate(tower, tasks=["mnist"]) != before
    other = make_pool(clip_model=make_clip(7))
    assert other.evaluate(tower, tasks=["mnist"]) != before


def test_the_pool_and_the_models_are_left_as_they_were(make_pool, tower):
    clip = make_clip().train()
    pool = make_pool(clip_model=clip)
    tower.train()
    tower.encoder.layers[1].eval()
    before = copy.deepcopy(tower.state_dict()), copy.deepcopy(clip.state_dict())
    modes = [module.training for module in tower.modules()]
    pool.evaluate(tower, tasks=["digits", "mnist"])
    assert pool.task_names == list(ROWS)
    assert same_tensors(tower.state_dict(), before[0])
    assert same_tensors(clip.state_dict(), before[1])
    assert [module.training for module in tower.modules()] == modes
    assert all(module.training for module in clip.modules())
    assert all(parameter.requires_grad for parameter in [*tower.parameters(), *clip.parameters()])


def test_every_model_with_a_vision_tower_scores_the_same(make_pool, tower):
    pool = make_pool()
    expected = pool.evaluate(tower).scores
    clip = make_clip(1)
    config = CLIPVisionConfig(**{**clip.config.vision_config.to_dict(), "projection_dim": DIM})
    projected = CLIPVisionModelWithProjection(config)
    projected.vision_model.load_state_dict(tower.state_dict())

    class Wrapper(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = tower

        def forward(self, pixel_values):
            return self.inner(pixel_values)

    for model in (clip, projected, Wrapper()):
        assert pool.evaluate(model).scores == expected


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_models_of_other_dtypes(make_pool, tower, dtype):
    pool = make_pool()
    expected = pool.evaluate(tower)
    report = pool.evaluate(copy.deepcopy(tower).to(dtype))
    for task in ROWS:
        assert report[task]["loss"] == pytest.approx(expected[task]["loss"], rel=0.1)


def test_autocast_is_honoured(make_pool, tower):
    pool = make_pool()
    expected = pool.evaluate(tower)
    seen = []
    tower.post_layernorm.register_forward_pre_hook(lambda *args: seen.append(torch.is_autocast_enabled("cpu")))
    pool.setup(autocast=lambda: torch.autocast("cpu", dtype=torch.bfloat16))
    report = pool.evaluate(tower)
    assert seen
    assert all(seen)
    assert report["average"]["loss"] != expected["average"]["loss"]
    assert report["average"]["loss"] == pytest.approx(expected["average"]["loss"], rel=0.1)


def test_fast_dev_run_is_one_batch_a_task(make_pool, tower, counted):
    pool = make_pool()
    pool.setup(fast_dev_run=True)
    report = pool.evaluate(tower)
    for task, rows in ROWS.items():
        assert report[task]["loss"] == pytest.approx(plain_scores(tower, task, rows[:4])[1], rel=1e-5)
    assert counted["image"] == 3 * 4
    whole = make_pool(fast_dev_run=False)
    whole.setup(fast_dev_run=True)
    assert whole.evaluate(tower) != report


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"hidden": 2 * HIDDEN}, "hidden_size 64, that of .*base' has 32"),
        ({"patch_size": 2 * PATCH_SIZE}, "patch_size 16, that of .*base' has 8"),
    ],
)
def test_another_backbone_is_an_error_that_names_both(make_pool, counted, kwargs, message):
    with pytest.raises(ValueError, match=rf"another backbone .*\(CLIPVisionModel\) has {message}"):
        make_pool().evaluate(make_clip(1, **kwargs).vision_model)
    assert counted["setup"] == []  # found before any data is read


def test_a_user_can_bring_a_data_set(make_pool, tower, tmp_path):
    rows = [{"picture": row["image"], "kind": ["bird", "cat"][row["label"] % 2]} for row in ROWS["mnist"]]
    numbered = [{"image": row["picture"], "label": ["cat", "bird"].index(row["kind"])} for row in rows]
    for index, row in enumerate(numbered):
        (tmp_path / rows[index]["kind"]).mkdir(exist_ok=True)
        row["image"].save(tmp_path / rows[index]["kind"] / f"{index}.png")
    names = {"classnames": ["cat", "bird"], "templates": ["a {}", "the {}"]}
    pool = make_pool(
        test_datasets={
            "rows": {"dataset": numbered, **names},
            "hub": ClassificationTask(dataset=Dataset.from_list(numbered), **names),
            "folder": {"dataset": str(tmp_path), **names},
            "target": {
                "dataset": {"_target_": "clip_files.make_rows", "count": 11, "classes": 10, "seed": 0},
                "classnames": "mnist",
            },
        }
    )
    report = pool.evaluate(tower)
    assert report["target"]["loss"] == pytest.approx(plain_scores(tower, "mnist", ROWS["mnist"])[1], rel=1e-5)
    for task in ("hub", "folder"):
        assert report[task]["accuracy"] == report["rows"]["accuracy"]
        assert report[task]["loss"] == pytest.approx(report["rows"]["loss"], rel=1e-6)


def test_mistakes_are_found_before_anything_is_loaded(make_pool, tiny_clip_dir):
    with pytest.raises(KeyError, match=r"no class names are known for the task 'mnst'; did you mean 'mnist'"):
        make_pool(test_datasets={"mnst": "someone/mnist"})
    loader = {"_target_": "fusion_bench.dataset.loading.load_image_classification", "path": "someone/cars"}
    with pytest.raises(KeyError, match="no class names are known for the task 'cars'"):
        make_pool(test_datasets={"cars": loader})
    with pytest.raises(TypeError, match="task 'mnist' has an unknown key 'splt'"):
        make_pool(test_datasets={"mnist": {**loader, "splt": "test"}})
    task = {"_target_": "fusion_bench.dataset.task.ClassificationTask", "dataset": "x"}
    with pytest.raises(KeyError, match="no class names are known for the task 'cars'"):
        make_pool(test_datasets={"cars": task})
    make_pool(test_datasets={"cars": {"_target_": "somewhere.unknown"}})  # not known before it is built
    with pytest.raises(KeyError, match=r"tasks names 'cars', which is not in test_datasets"):
        make_pool(tasks=["cars"])
    with pytest.raises(TypeError, match="test_datasets must map names to tasks, got a list"):
        make_pool(test_datasets=[])
    with pytest.raises(ValueError, match="needs base_model or clip_model"):
        make_pool(base_model=None)
    with pytest.raises(ValueError, match="needs processor or base_model"):
        make_pool(base_model=None, clip_model=make_clip())
    with pytest.raises(ValueError, match=r"dataloader_kwargs\.shuffle"):
        make_pool(dataloader_kwargs={"shuffle": True})
    with pytest.raises(ValueError, match="layer_wise_feature_max_num"):
        make_pool(layer_wise_feature_max_num=0)


def test_a_subset_and_order_by_configuration(make_pool, tower):
    pool = make_pool(tasks=["digits", "mnist"])
    assert list(pool.evaluate(tower).scores) == ["digits", "mnist"]


def test_sources_of_processor_and_model(make_pool, tower, tiny_clip_dir):
    expected = make_pool().evaluate(tower)
    target = {"_target_": "transformers.CLIPModel.from_pretrained", "pretrained_model_name_or_path": str(tiny_clip_dir)}
    live = CLIPProcessor(image_processor=default_image_processor(IMAGE_SIZE), tokenizer=make_tokenizer())
    for settings in (
        {"base_model": None, "clip_model": str(tiny_clip_dir), "processor": str(tiny_clip_dir)},
        {"base_model": None, "clip_model": str(tiny_clip_dir)},
        {"clip_model": target, "processor": live},
        {"base_model": None, "clip_model": make_clip(), "processor": live},
        {"processor": default_image_processor(IMAGE_SIZE)},  # has no tokenizer: that of base_model
    ):
        assert make_pool(**settings).evaluate(tower) == expected


def test_a_data_processor_replaces_the_preprocessing(make_pool, tower):
    sizes = []

    def preprocess(image):
        sizes.append(image.size)
        return torch.zeros(3, IMAGE_SIZE, IMAGE_SIZE)

    make_pool(data_processor=preprocess).evaluate(tower, tasks=["mnist"])
    assert set(sizes) == {(24, 20)}


@pytest.mark.parametrize("first_token_only", [True, False])
def test_layer_wise_features(make_pool, tower, tmp_path, first_token_only):
    pool = make_pool(
        layer_wise_feature_save_path=str(tmp_path / "features"),
        layer_wise_feature_first_token_only=first_token_only,
        layer_wise_feature_max_num=6,
    )
    assert pool.evaluate(tower) == make_pool().evaluate(tower)
    for task, size in SIZES.items():
        for layer in (0, 1):
            features = load_file(tmp_path / "features" / task / f"layer_{layer}.safetensors")["features"]
            assert features.shape == (min(size, 6), *(() if first_token_only else (5,)), HIDDEN)
            assert not torch.equal(features[0], features[1])
    assert not any(module._forward_hooks for module in tower.modules())


def test_configuration_round_trip(make_pool, tmp_path, tiny_clip_dir):
    pool = make_pool(
        test_datasets={"mnist": {"path": "someone/mnist"}, "mine": {"dataset": "x", "classnames": ["a", "b"]}},
        layer_wise_feature_save_path=tmp_path,
        cache_dir=tmp_path / "cache",
        tasks=["mine"],
    )
    pool.to_yaml(tmp_path / "pool.yaml")
    again = CLIPVisionModelTaskPool.from_yaml(tmp_path / "pool.yaml")
    assert again.config == pool.config
    assert again.task_names == ["mine"]
    assert set(pool.config) == {
        "_target_",
        "test_datasets",
        "processor",
        "clip_model",
        "base_model",
        "tasks",
        "data_processor",
        "dataloader_kwargs",
        "corruption",
        "corruption_severity",
        "corruption_seed",
        "layer_wise_feature_save_path",
        "layer_wise_feature_first_token_only",
        "layer_wise_feature_max_num",
        "fast_dev_run",
        "move_to_device",
        "cache_dir",
        "model_dir",
        "data_dir",
        "pixel_cache_gib",
        "compile",
        "num_ray_actors",
    }


def test_cache_dir_has_an_effect(make_pool, tower, monkeypatch, tmp_path, tiny_clip_dir):
    asked = []

    def download(repository, *, repo_type, allow_patterns, cache_dir, local_files_only=False):
        assert repo_type == "model"
        if local_files_only:
            raise FileNotFoundError("not here")
        asked.append(cache_dir)
        return str(tiny_clip_dir)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    pool = make_pool(base_model="someone/clip", cache_dir=tmp_path)
    assert pool.evaluate(tower) == make_pool().evaluate(tower)
    assert set(asked) == {tmp_path}


def test_predictions_add_up_to_the_accuracy(make_pool, tower):
    pool = make_pool()
    report = pool.evaluate(tower)
    for task, rows in ROWS.items():
        predictions = pool.predict(tower, task)
        assert predictions.labels.tolist() == [row["label"] for row in rows]
        assert float(predictions.correct.double().mean()) == pytest.approx(report.scores[task].accuracy)
    with pytest.raises(KeyError, match="no task 'mnits'"):
        pool.predict(tower, "mnits")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_scored_in_float32_on_a_cpu(make_pool, tower, dtype):
    half = copy.deepcopy(tower).to(dtype)
    pool = make_pool()
    assert pool.evaluate(half).scores == pool.evaluate(copy.deepcopy(half).float()).scores
    assert next(half.parameters()).dtype == dtype
    with pool.ready(half) as lent:
        assert next(lent.parameters()).dtype == torch.float32
    pool.setup(dtype=dtype)
    with pool.ready(half) as lent:
        assert next(lent.parameters()).dtype == dtype
