"""Units merged greedily, against published cases and a plain implementation."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mudsc_oracle import MATCHING_CASES, arrays

from benchmarks.zip_units import correlations, plain_zip
from fusion_bench.functional.zipping import pair_blocks, zip_units


@pytest.mark.parametrize("name", [name for name, case in MATCHING_CASES.items() if not case["align"]])
def test_published_cases(name):
    case = MATCHING_CASES[name]
    options = {"a": case["a"], "b": case["b"], "blocks": case["groups"]}
    matching, value = zip_units(arrays()[f"{name}.sims"], case["N"], **options, lenient=True)
    assert torch.equal(matching.unmerge(), arrays()[f"{name}.unmerge"].double())
    assert value == pytest.approx(float(arrays()[f"{name}.value"]), abs=1e-6)
    merge = matching.unmerge() / (matching.mass() + 1e-5)
    torch.testing.assert_close(merge.float(), arrays()[f"{name}.merge"], rtol=0, atol=1e-6)


def test_there_are_eleven_published_cases():
    assert len(MATCHING_CASES) == 11


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(2, 3),
    st.integers(1, 9),
    st.sampled_from([1e-4, 0.5, 1.0]),
    st.sampled_from([0.0, 0.3, 1.0]),
)
def test_against_the_plain_implementation(seed, models, units, a, b):
    similarity = correlations(units, models, seed)
    if units == 1:
        similarity = torch.eye(models)
    expected, value = plain_zip(similarity, models, a=a, b=b)
    matching, found = zip_units(similarity, models, a=a, b=b, lenient=True)
    assert torch.equal(matching.unmerge(), expected.double())
    assert found == pytest.approx(value, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 4))
def test_ties_are_resolved_as_in_the_plain_implementation(seed, units):
    values = torch.randint(-1, 3, (2 * units, 2 * units), generator=torch.Generator().manual_seed(seed)) / 2
    similarity = torch.triu(values, 1) + torch.triu(values, 1).T
    expected, _ = plain_zip(similarity, 2, a=0.5, b=1.0)
    assert torch.equal(zip_units(similarity, 2, a=0.5, b=1.0, lenient=True)[0].unmerge(), expected.double())


def test_by_hand():
    similarity = torch.tensor(
        [
            [1.0, 0.9, 0.1, 0.8],
            [0.9, 1.0, 0.2, 0.7],
            [0.1, 0.2, 1.0, 0.3],
            [0.8, 0.7, 0.3, 1.0],
        ]
    )
    matching, value = zip_units(similarity, 2)  # 0 and 1 merge; then their cluster is 0.35 from 3, and 2 is 0.3 from it
    assert matching.clusters.tolist() == [[0, 0], [1, 0]]
    assert value == pytest.approx((0.9 + 0.35) / 2)
    matching, value = zip_units(similarity, 2, b=0)  # no merge within a model
    assert matching.clusters.tolist() == [[0, 1], [1, 0]]
    assert value == pytest.approx((0.8 + 0.2) / 2)


@pytest.mark.parametrize("b", [0.0, 0.25, 0.5])
def test_the_budget_bounds_merges_within_a_model(b):
    units = 16
    matching, _ = zip_units(correlations(units, 2, seed=3), 2, a=1e-4, b=b)
    for model in matching.clusters:
        assert units - len(model.unique()) <= b * units / 2


def test_blocks_stay_whole():
    blocks, size = 3, 4
    similarity = correlations(blocks * size, 2, seed=1)
    pairing = pair_blocks([similarity], 2, blocks)
    matching, _ = zip_units(similarity, 2, blocks=blocks)
    assert (matching.clusters[0].view(blocks, size) // size).tolist() == [[block] * size for block in range(blocks)]
    for block in range(blocks):
        paired = int(pairing[0, block])
        assert (matching.clusters[1, paired * size : (paired + 1) * size] // size).tolist() == [block] * size


def test_wrong_options():
    with pytest.raises(ValueError, match=r"a must be in \(0, 1\], got 0"):
        zip_units(torch.eye(4), 2, a=0)
    with pytest.raises(ValueError, match=r"b must be in \[0, 1\], got 2"):
        zip_units(torch.eye(4), 2, b=2)
    with pytest.raises(ValueError, match="similarities must be finite"):
        zip_units(torch.full((4, 4), float("nan")), 2)


def test_one_model_is_left_alone():
    matching, value = zip_units(torch.eye(3), 1)
    assert matching.clusters.tolist() == [[0, 1, 2]]
    assert value == 1.0
