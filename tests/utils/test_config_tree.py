"""A configuration printed as a tree."""

from omegaconf import OmegaConf

from fusion_bench.utils.config_tree import format_config_tree


def test_nested_keys_are_branches():
    config = {"seed": None, "method": {"alpha": 0.5, "order": ["b", "a"]}, "flag": True}
    assert format_config_tree(config).splitlines() == [
        "├── seed: null",
        "├── method",
        "│   ├── alpha: 0.5",
        "│   └── order: [b, a]",
        "└── flag: true",
    ]


def test_interpolations_are_resolved_and_missing_values_shown():
    config = OmegaConf.create({"a": 1, "b": "${a}", "c": "???"})
    assert format_config_tree(config).splitlines() == ["├── a: 1", "├── b: 1", "└── c: ???"]


def test_lists_of_mappings_are_branches_by_position():
    assert format_config_tree({"items": [{"a": 1}, {"b": 2}]}).splitlines() == [
        "└── items",
        "    ├── 0",
        "    │   └── a: 1",
        "    └── 1",
        "        └── b: 2",
    ]


def test_values_stay_on_one_line():
    config = {"empty": "", "lines": "x\ny", "none": {}, "list": [], "float": 1e-05, "text": "a: b"}
    assert format_config_tree(config).splitlines() == [
        '├── empty: ""',
        '├── lines: "x\\ny"',
        "├── none: {}",
        "├── list: []",
        "├── float: 1e-05",
        "└── text: a: b",
    ]


def test_empty_configuration():
    assert format_config_tree({}) == "(empty)"
