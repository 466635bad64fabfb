"""The page: what it says, that it is valid, that it needs nothing else, that names stay names."""

import base64
import hashlib
import html
import re
import shutil
import subprocess

import pytest
from html_runs import HOSTILE, TASKS, compared, write_runs

from fusion_bench.cli.report import main
from fusion_bench.reporting.comparison_report import ComparisonOptions
from fusion_bench.reporting.html_report import About, breakable, html_page, write_html

html5lib = pytest.importorskip("html5lib")


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return write_runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def page(directory):
    comparison, found = compared(directory)
    return html_page(comparison, About(problems=found.problems, command=f"report {HOSTILE}", title=f"About {HOSTILE}"))


@pytest.fixture(scope="module")
def tree(page):
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)


def words(element):
    return " ".join("".join(element.itertext()).split())


def table(tree, key):
    """The rows of a table as text."""
    (found,) = (element for element in tree.iter("table") if element.get("id") == key)
    return [[words(cell) for cell in row] for row in found.iter("tr")]


def test_the_page_is_valid_for_a_strict_parser(tree):
    assert tree.find("head/title") is not None
    identifiers = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(identifiers) == len(set(identifiers))
    for element in tree.iter():
        for name in ("aria-labelledby", "aria-describedby", "for"):
            for reference in (element.get(name) or "").split():
                assert reference in identifiers, (element.tag, name, reference)


@pytest.mark.skipif(shutil.which("tidy") is None, reason="the validator tidy is not installed")
def test_the_page_passes_a_validator(page):
    checked = subprocess.run(["tidy", "-q", "-e"], input=page.encode(), capture_output=True, check=False)
    assert checked.stderr.decode() == ""
    assert checked.returncode == 0


def test_nothing_is_loaded_from_elsewhere(tree):
    for element in tree.iter():
        for name in ("src", "srcset", "href", "action", "data", "poster"):
            address = element.get(name)
            assert address is None or address.startswith(("data:", "#")), address
        assert element.tag not in {"iframe", "object", "embed", "base"}
    inside = {address[1:] for link in tree.iter("a") if (address := link.get("href"))}
    assert inside <= {element.get("id") for element in tree.iter()}
    assert "url(" not in words(tree.find("head/style"))
    assert "@import" not in words(tree.find("head/style"))


def test_the_browser_is_told_to_run_nothing_but_our_script(tree, page):
    (policy,) = (m.get("content") for m in tree.iter("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    for tag in ("script", "style"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not [e for e in tree.iter() for name in e.attrib if name.startswith("on") or name == "style"]


def test_names_of_users_are_text(tree, page):
    assert HOSTILE not in page
    assert len(list(tree.iter("script"))) == 1
    assert {image.get("src")[:5] for image in tree.iter("img")} == {"data:"}
    assert words(tree.find("head/title")) == f"About {HOSTILE}"
    methods = [row[0] for row in table(tree, "table-1-results")]
    assert HOSTILE in methods
    assert [task in table(tree, "table-1-tasks")[0] for task in TASKS] == [True] * 3


def test_results(tree):
    rows = {row[0]: row for row in table(tree, "table-1-results")}
    assert rows["method"] == ["method", "runs", "ACC", "BWT", "BWT over T"]
    # 0.7, 0.71 … 0.75: mean 0.725, standard deviation 0.0187; learnt at 0.9
    assert rows["opcm/opcm"][1:3] == ["6", "72.5 ± 1.9"]
    assert rows["opcm/weight_average"][1:3] == ["6", "62.5 ± 1.9"]
    assert rows[HOSTILE] == [HOSTILE, "1", "25.0", "–", "–"]


def test_best_and_second_are_marked(page):
    assert re.search(r"<strong>72\.5 ± 1\.9</strong>", page)
    assert re.search(r'<span class="second">62\.5 ± 1\.9</span>', page)


def test_paired_tests_stand_on_the_page(tree):
    rows = table(tree, "table-1-tests")
    (pair,) = (row for row in rows if row[:2] == ["opcm/weight_average", "opcm/opcm"])
    assert pair[3:5] == ["6", "-10.00"]
    assert "0.031" in pair  # 2 / 2^6


def test_cells_are_sorted_by_numbers(tree):
    (found,) = (element for element in tree.iter("table") if element.get("id") == "table-1-results")
    keys = [cell.get("data-sort") for row in found.find("tbody") for cell in row][:3]
    assert keys[0] == "opcm/opcm" or keys[0] == "opcm/weight_average"
    assert float(keys[1]) == 6
    assert float(keys[2]) == pytest.approx(0.725) or float(keys[2]) == pytest.approx(0.625)


def test_differences_between_configurations(tree):
    rows = {row[0]: row[1:] for row in table(tree, "table-1-differences")}
    groups = rows["key"]
    assert rows["method.alpha"][groups.index("opcm/opcm")] == "0.5"
    assert rows["method.alpha"][groups.index(HOSTILE)] == "–"
    assert rows["method.seed"][groups.index("opcm/opcm")] == "6 values"
    assert "modelpool.models.mnist" not in rows  # the same in all runs
    assert not [key for key in rows if key.startswith(("path.", "report_save_path"))]


def test_provenance(tree):
    runs = table(tree, "table-1-runs")
    assert runs[0] == ["run", "group", "seed", "order", "ACC", "BWT", "time", "finished"]
    first = next(row for row in runs if row[0] == "opcm/version_1")
    assert first[1:4] == ["opcm/opcm", "1", " → ".join([TASKS[1], TASKS[2], TASKS[0]])]
    assert first[6] == "1 min 5 s"
    facts = dict(table(tree, "table-1-environment"))
    assert facts["torch"] == "2.9.9 (12 of 13 runs)"
    assert facts["memory (GiB)"] == "7.5 (12 of 13 runs)"
    times = {row[0]: row[1:] for row in table(tree, "table-1-times")}
    assert times["opcm/opcm"] == ["5.0 s", "1 min 0 s"]
    listings = [words(element) for element in tree.iter("pre")]
    assert f"fusion_bench method=opcm/opcm 'note={HOSTILE}'" in listings
    assert any("https://example.org/?a=1&b=2" in text for text in listings)


def test_what_was_left_out_is_named(tree, directory):
    (section,) = (element for element in tree.iter("section") if element.get("id") == "problems")
    assert str(directory / "damaged") in words(section)
    assert "broken" in words(section)


def test_every_picture_has_words_and_a_dark_variant(tree):
    pictures = list(tree.iter("picture"))
    assert len(pictures) >= 5
    for picture in pictures:
        image, source = picture.find("img"), picture.find("source")
        assert image.get("alt")
        assert int(image.get("width")) > 100
        assert source.get("media") == "(prefers-color-scheme: dark)"
        light, dark = (base64.b64decode(text.split(",")[1]) for text in (image.get("src"), source.get("srcset")))
        assert light.startswith(b"<?xml")
        assert light != dark


def test_every_table_has_heads_and_names(tree):
    for found in tree.iter("table"):
        heads = list(found.find("thead/tr"))
        assert all(head.get("scope") == "col" for head in heads)
        for row in found.find("tbody"):
            assert len(row) == len(heads)
            assert row[0].tag == "th"
            assert row[0].get("scope") == "row"


def test_options_choose_what_is_shown(directory, tmp_path):
    comparison, _ = compared(directory)
    write_html(comparison, tmp_path / "page.html", About(options=ComparisonOptions(metrics=("bwt",), tested=("none",))))
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    tree = html5lib.parse(text, namespaceHTMLElements=False)
    assert table(tree, "table-1-results")[0] == ["method", "runs", "BWT"]
    assert "table-1-tests" not in text
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_an_unknown_metric_is_refused(directory, tmp_path):
    comparison, _ = compared(directory)
    with pytest.raises(ValueError, match="no metric 'speed'"):
        write_html(comparison, tmp_path / "page.html", About(options=ComparisonOptions(metrics=("speed",))))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a/b_c", "x", "<b>/<i>", "0.5"])
def test_lines_may_break_inside_names(name):
    assert html.unescape(breakable(name).replace("<wbr>", "")) == name
    assert ("<wbr>" in breakable(name)) == (name == "a/b_c")


def test_the_command_writes_page_and_plots(directory, tmp_path, capsys):
    main(["compare", str(directory), "--html", str(tmp_path / "r.html"), "--plots", str(tmp_path / "plots")])
    assert (tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    written = sorted(path.name for path in (tmp_path / "plots").iterdir())
    assert "order_spread.png" in written
    assert "order_spread.pdf" in written
    assert f"wrote {tmp_path / 'r.html'}" in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_an_error_of_one_line(directory, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match=r"^error: .*file"):
        main(["compare", str(directory), "--html", str(tmp_path / "file" / "r.html")])
