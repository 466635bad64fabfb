"""The page in a real browser: choose, run on the embedded suite, see the table, stop a run."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("nicegui", reason="the extra webui is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]
ONE_TASK = "CLIPVisionModelTaskPool/clip-vit-single-task_tiny8_mnist"
SECONDS = 120_000  # for what a run does, in milliseconds


@contextmanager
def serving(output):
    """The address of a server whose runs live in ``output``."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "NICEGUI"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "fusion_bench.webui.main", "--port=0", "--no-browser", f"--output={output}"],
        env=environment,
        cwd=output.parent,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        first = process.stdout.readline()
        yield re.search(r"http://127\.0\.0\.1:\d+/\?key=\S+", first)[0]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stdout.close()


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    directory = tmp_path_factory.mktemp("webui") / "my runs"
    directory.mkdir()
    return directory


@pytest.fixture(scope="module")
def address(output):
    with serving(output) as found:
        yield found


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        yield started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture
def open_page(browser):
    """Open an address; no page may ask another host for anything, or complain."""
    asked, complaints, contexts = [], [], []

    def opened(address, **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(SECONDS)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [url for url in asked if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))] == []
    assert complaints == []


def choose(page, group, option):
    page.locator(".verdict.good, .verdict.bad").wait_for()  # the page is complete and has been checked
    field = page.get_by_label(group, exact=True)
    field.click()
    field.fill(option)
    page.get_by_role("option", name=option, exact=True).click()
    page.locator("[aria-label=Command] .code", has_text=f"{group}={option}").wait_for()


def set_text(page, key, text):
    page.get_by_label(key, exact=True).fill(text)


def press_run(page):
    page.locator(".verdict.good").wait_for()
    page.get_by_role("button", name="Run").click()
    page.wait_for_url("**/run/**")


def state(page, expected):
    page.locator(".badge", has_text=re.compile(f"^{expected}$")).wait_for(timeout=SECONDS)


def reset(page):
    page.get_by_role("button", name="Reset").click()
    page.locator("[aria-label=Command] .code", has_text="method=dummy").wait_for()


@pytest.fixture(scope="module")
def finished(address, browser, output):
    """The directory of a run that was put together and started on the page, and what the page showed."""
    page = browser.new_page()
    page.set_default_timeout(SECONDS)
    page.goto(address)
    choose(page, "method", "simple_average")
    choose(page, "taskpool", ONE_TASK)
    choose(page, "fabric/loggers", "none")
    page.get_by_label("fast_dev_run", exact=True).click()
    page.locator("[aria-label=Command] .code", has_text="fast_dev_run=true").wait_for()
    press_run(page)
    state(page, "finished")
    page.get_by_role("row", name=re.compile("^mnist")).wait_for()
    shown = {
        "rows": page.locator("table tr").all_inner_texts(),
        "command": page.locator(".status .code").inner_text(),
        "log": page.locator(".log").inner_text(),
    }
    page.get_by_role("link", name="New run").click()
    reset(page)
    page.close()
    (report,) = output.rglob("program_report.json")
    return report.parent, shown


def test_a_run_that_was_chosen_on_the_page_leaves_its_table_there(finished):
    directory, shown = finished
    report = json.loads((directory / "program_report.json").read_text())
    accuracy, loss = report["mnist"]["accuracy"], report["mnist"]["loss"]
    rows = [row.split("\t") for row in shown["rows"]]
    assert rows[0] == ["task", "accuracy, %", "loss"]
    assert rows[1] == ["mnist", f"{100 * accuracy:.1f}", f"{loss:.3f}"]
    assert "files of this run" in shown["log"]


def test_the_command_shown_is_the_one_that_ran(finished):
    directory, shown = finished
    assert shown["command"] == (
        f"fusion_bench method=simple_average taskpool={ONE_TASK} fabric/loggers=none fast_dev_run=true "
        f"'path.log_dir='\"'\"'{directory}'\"'\"''"
    )


def test_a_finished_run_is_listed_after_a_restart(finished, output, open_page):
    directory, _ = finished
    with serving(output) as address:
        page = open_page(address)
        page.get_by_role("link", name="Runs").click()
        row = page.get_by_role("row", name=re.compile("simple_average"))
        row.get_by_role("link").click()
        state(page, "finished")
        page.get_by_role("row", name=re.compile("^mnist")).wait_for()
        assert page.locator(".where").inner_text() == str(directory)
        with page.expect_download() as download:
            page.get_by_role("link", name="program_report.json").click()
        assert Path(download.value.path()).read_bytes() == (directory / "program_report.json").read_bytes()


def test_an_error_stands_at_the_field_in_the_words_of_the_command_line(address, open_page):
    page = open_page(address)
    choose(page, "method", "opcm/opcm")
    set_text(page, "method.alpha", "much")
    message = "method.alpha must be a number, got 'much'"
    field = page.locator(".option", has=page.get_by_label("method.alpha", exact=True))
    field.get_by_role("alert").filter(has_text=message).wait_for()
    assert page.get_by_role("button", name="Run").is_disabled()
    assert page.get_by_text(message).count() == 2  # there and beside the button
    set_text(page, "method.alpha", "")
    page.locator(".verdict.good").wait_for()
    assert page.get_by_text(message).count() == 0
    reset(page)


def test_what_only_the_run_finds_is_shown_at_the_field_too_and_no_value_is_a_command(address, output, open_page):
    page = open_page(address)
    trap = output / "trap"
    choose(page, "method", "opcm/opcm")
    set_text(page, "merged_model_save_path", f"$(touch '{trap}'); touch '{trap}' <script>alert(1)</script>")
    set_text(page, "method.alpha", "2")
    page.locator("[aria-label=Command] .code", has_text=re.compile("method.alpha=2.*touch")).wait_for()
    press_run(page)
    state(page, "failed")
    message = "method: alpha must be in [0, 1], got 2"
    assert page.locator(".problem.block").inner_text() == message
    assert "<script>" in page.locator(".status .code").inner_text()  # as text
    assert not trap.exists()
    page.get_by_role("link", name="Change the options").click()
    field = page.locator(".option", has=page.get_by_label("method.alpha", exact=True))
    field.get_by_role("alert").filter(has_text=message).wait_for()
    reset(page)


def test_a_run_survives_a_reload_and_can_be_stopped(address, output, open_page):
    page = open_page(address)
    choose(page, "method", "opcm/opcm")
    press_run(page)
    page.get_by_text(re.compile(r"^[1-7] of 8 models merged")).wait_for(timeout=SECONDS)
    page.reload()
    state(page, "running")
    page.get_by_text(re.compile("^.*merged .* \\(step 1 of 8\\)")).first.wait_for()
    page.get_by_role("link", name="New run").click()
    page.get_by_role("link", name="A run is going on").wait_for()
    assert page.get_by_role("button", name="Run").is_disabled()
    page.get_by_role("link", name="A run is going on").click()
    page.get_by_role("button", name="Stop").click()
    state(page, "stopped")
    directory = Path(page.locator(".where").inner_text())
    assert (directory / "resume" / "run.json").exists()
    assert not (directory / "program_report.json").exists()
    page.get_by_role("link", name="Runs").click()
    page.get_by_role("link", name=directory.name).wait_for()
    page.get_by_role("link", name="New run").click()
    reset(page)


def test_a_method_is_chosen_with_the_keyboard_alone(address, open_page):
    page = open_page(address)
    page.locator(".verdict.good").wait_for()
    for _ in range(4):  # brand, the two pages, the method
        page.keyboard.press("Tab")
    page.keyboard.type("weight_average")
    page.get_by_role("option", name="opcm/weight_average").wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator("[aria-label=Command] .code", has_text="method=opcm/weight_average").wait_for()
    reset(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_in_both_schemes(address, open_page, scheme):
    page = open_page(address, viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page.locator(".verdict.good").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    red = int(re.match(r"rgb\((\d+)", page.evaluate("getComputedStyle(document.body).backgroundColor"))[1])
    assert (red < 64) == (scheme == "dark")


def test_every_control_has_a_name(address, open_page):
    page = open_page(address)
    page.locator(".verdict.good").wait_for()
    nameless = page.evaluate(
        "[...document.querySelectorAll('input, button, [role=switch], [role=combobox]')]"
        ".filter(e => e.checkVisibility() && !e.getAttribute('aria-label') && !e.innerText.trim())"
        ".map(e => e.outerHTML)"
    )
    assert nameless == []
    assert page.locator("h1").all_inner_texts() == ["New run"]
