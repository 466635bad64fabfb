"""The defects that users know from other tools, each with the tests that would fail on it."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

DEFECTS = {
    "class_embedding is never merged": ["method/opcm/test_opcm.py::test_class_embedding_is_merged"],
    "the Ray path writes into the pretrained model": [
        "method/opcm/test_opcm_general.py::test_the_number_of_actors_starts_and_ends_them"
    ],
    "general OPCM ignores evaluate_on_every_step": [
        "programs/test_merge.py::test_per_step_evaluation_is_done_by_every_opcm"
    ],
    "the TensorBoard logger is needed": ["programs/test_fusion.py::test_files_of_a_run"],  # it runs without any
    "a CLIP task pool is needed even without evaluation": ["programs/test_fusion.py::test_no_task_pool_is_needed"],
    "the task pool is left re-ordered": [
        "taskpool/test_base_pool.py::test_a_subset_leaves_the_pool_as_it_was",
        "programs/test_whole_run.py::test_eight_tasks_are_set_up_eight_times",
    ],
    "in-memory models are mutated": [
        "method/test_continual.py::test_plain_python_run_leaves_models_and_random_state_alone"
    ],
    "the last step is evaluated twice": ["programs/test_fusion.py::test_final_model_is_scored_once_by_one_task_pool"],
    "data sets, CLIP model and heads are rebuilt at every step": [
        "taskpool/test_clip_vision.py::test_tasks_and_heads_are_set_up_once_however_often_a_model_is_scored",
        "programs/test_whole_run.py::test_eight_tasks_are_set_up_eight_times",
    ],
    "hyper-parameters are lost in .config": [
        "compat/test_round_trip.py::test_a_method_is_rebuilt_with_every_key_of_its_file"
    ],
    "platform is lost in the round trip": [
        "modelpool/test_clip_vision.py::test_platform_and_cache_dir_survive_the_yaml_round_trip"
    ],
    "report_save_path=false or a bare name crash": [
        "programs/test_fusion.py::test_report_can_be_switched_off",
        "programs/test_fusion.py::test_report_under_a_bare_name",
    ],
    "merged_model_save_kwargs crashes": ["programs/test_fusion.py::test_merged_model_is_saved_with_keyword_arguments"],
    "print_function_call=false has no effect": [
        "programs/test_fusion.py::test_function_calls_are_printed_when_asked_for"
    ],
    "cache_dir has no effect": [
        "modelpool/test_clip_vision.py::test_cache_dir_has_an_effect",
        "taskpool/test_clip_vision.py::test_cache_dir_has_an_effect",
    ],
    "alpha = 1 protects nothing": ["method/opcm/test_opcm.py::test_alpha_1_adds_nothing_inside_the_accumulated_span"],
    "TIES thresholds 1 and 100 crash": ["method/opcm/test_ties_merging.py::test_formula_at_thresholds"],
    "weight average builds autograd graphs": [
        "method/opcm/test_weight_average.py::test_run_with_and_without_a_pretrained_model"
    ],
    "the layer-wise feature cap counts batches": ["taskpool/test_layer_features.py::test_the_cap_counts_images"],
    "a data set of one's own cannot be used": ["programs/test_whole_run.py::test_eight_tasks_are_set_up_eight_times"],
    "heads are stale across backbones": ["taskpool/test_clip_vision.py::test_a_head_is_never_stale"],
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_has_its_tests(defect):
    for reference in DEFECTS[defect]:
        file, _, name = reference.partition("::")
        tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert name in names, f"{reference} is gone"
