"""The page in a real browser, without a screen: no error, sorting, filtering, light and dark, wide and narrow."""

import shutil

import pytest
from html_runs import compared, write_runs

from fusion_bench.reporting.html_report import About, write_html

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium on this machine"),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    comparison, found = compared(write_runs(root))
    write_html(comparison, root / "report.html", About(problems=found.problems))
    return (root / "report.html").as_uri()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def open_page(browser, address):
    """A function that opens the page and keeps what the browser complains of."""
    contexts = []

    def opened(width=1400, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.complaints, page.asked = [], []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on(
            "request", lambda request: request.url.startswith(("file:", "data:")) or page.complaints.append(request.url)
        )
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()


def column(page, table, number):
    return page.locator(f"#{table} tbody tr:visible > :nth-child({number})").all_inner_texts()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_no_complaint_and_nothing_sticks_out(open_page, width, scheme):
    page = open_page(width, scheme)
    for summary in page.locator("summary").all():
        summary.click()
    assert page.complaints == []
    assert all(url.startswith(("file:", "data:")) for url in page.asked)
    assert page.title() == "Comparison of runs"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 24, 28)"}[scheme]
    for image in page.locator("img").all():
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
        assert ("data:" in image.evaluate("image => image.currentSrc")) is True


def test_pictures_are_those_for_the_scheme(open_page):
    first = {
        scheme: open_page(scheme=scheme).locator("img").first.evaluate("i => i.currentSrc")
        for scheme in ("light", "dark")
    }
    assert first["light"] != first["dark"]


def test_numbers_are_sorted_as_numbers_and_what_is_missing_comes_last(open_page):
    page = open_page()
    head = page.locator("#table-1-results thead th").nth(3)
    assert head.get_attribute("aria-sort") is None
    head.get_by_role("button", name="BWT").click()
    assert head.get_attribute("aria-sort") == "descending"
    falling = column(page, "table-1-results", 4)
    assert falling[-1] == "–"
    values = [float(text.split()[0]) for text in falling[:-1]]
    assert values == sorted(values, reverse=True)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(page, "table-1-results", 4)[-1] == "–"
    assert page.complaints == []


def test_sorting_by_keyboard_and_one_sorted_column_at_a_time(open_page):
    page = open_page()
    heads = page.locator("#table-1-runs thead th")
    heads.nth(0).get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert heads.nth(0).get_attribute("aria-sort") == "ascending"
    names = [name.replace("\u200b", "") for name in column(page, "table-1-runs", 1)]
    assert names == ["average/version_0", *names[1:]]
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert heads.nth(1).get_attribute("aria-sort") == "ascending"
    assert heads.nth(0).get_attribute("aria-sort") is None


def test_filter(open_page):
    page = open_page()
    field = page.locator("#table-1-runs-filter")
    total = len(column(page, "table-1-runs", 1))
    assert total == 13
    field.fill("OPCM/opcm 3")
    shown = column(page, "table-1-runs", 1)
    assert 0 < len(shown) < total
    assert page.locator("#table-1-runs").locator("xpath=ancestor::div[@data-table]").locator("output").inner_text() == (
        f"{len(shown)} of 13 rows"
    )
    field.fill("nothing like it")
    assert column(page, "table-1-runs", 1) == []
    field.fill("")
    assert len(column(page, "table-1-runs", 1)) == total


def test_everything_can_be_read_without_scripts(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert page.locator("#table-1-runs tbody tr").count() == 13
    assert page.locator("input").count() == 0
    context.close()
