"""A missing local suite: every error says which command builds it."""

import pytest

from fusion_bench.dataset.loading import load_image_classification
from fusion_bench.models.hub import model_directory
from fusion_bench.utils.hints import how_to_get


def test_only_the_local_suite_has_a_hint():
    assert "make local-suite" in how_to_get("./data/local_suite/clip")
    assert how_to_get("data/clip") == ""


def test_missing_models_and_data_of_the_suite_say_how_to_build_them(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no directory .*clip; 'make local-suite'"):
        model_directory(tmp_path / "local_suite" / "clip", "model 'a'")
    with pytest.raises(FileNotFoundError, match=r"no directory .*digits; 'make local-suite'"):
        load_image_classification(tmp_path / "local_suite" / "digits")
