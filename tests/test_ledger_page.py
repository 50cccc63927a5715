"""The page of all runs: whole without its script, safe against what runs say, and sorted and filtered in a browser."""

import json
import shutil
from html.parser import HTMLParser

import pytest
import yaml
from test_ledger import ALL, PLAN, by_seed, changed, home_with

from whalelib import ledger


class Table(HTMLParser):
    """The cells of the body's rows, and everything that a browser would fetch."""

    def __init__(self):
        super().__init__()
        self.rows, self.fetched, self.open, self.cell = [], [], [], False

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag not in ("meta", "input", "link", "img"):
            self.open.append(tag)
        if tag in ("script", "link", "img", "iframe"):
            self.fetched.append(attributes.get("src") or attributes.get("href"))
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")
        self.cell = self.cell or tag == "td"

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.cell = self.cell and tag != "td"

    def handle_data(self, data):
        if self.cell:
            self.rows[-1][-1] += data


@pytest.fixture
def page(tmp_path):
    """A page of seven runs, one of them failed for a reason that would be a script."""
    home = home_with(tmp_path, by_seed([0.8, 0.9, 0.85], [0.7, 0.75, "failed"]), {**PLAN, "seeds": [0, 1, 2]})
    changed(home, {"reason": '<script>alert("no")</script> & "more"'}, ALL[5])
    (home / "experiments" / "padding" / ALL[0] / "03_train.ipynb").write_text("{}")
    home_with(tmp_path, {}, {**PLAN, "grid": {}, "seeds": [0], "base": {"classes": ["<b>&"]}}, "never")
    return ledger.write_page(home)


def test_every_run_is_a_row_and_nothing_is_fetched(page):
    table = Table()
    table.feed(page.read_text())
    assert table.open == []
    rows = [row for row in table.rows if row]
    assert len(rows) == 7
    assert all(fetched is None for fetched in table.fetched)
    first = next(row for row in rows if row[1] == ALL[0])
    assert first[4:6] == ["0.800", "1.5"]
    assert "done" in first[8] and "code unknown" in first[8]
    assert first[9] == "03_train"
    assert "failed" in next(row for row in rows if row[1] == ALL[5])[8]
    assert [row[2] for row in rows if row[0] == "never"] == ["classes [<b>&]"]


def test_what_runs_say_is_text(page):
    assert "alert(&quot;no&quot;)" in page.read_text()
    assert '<script>alert("no")' not in page.read_text()


def test_links_lead_to_files_that_are_there(page):
    assert (page.parent / "padding" / "padding=wrap,seed=0" / "03_train.ipynb").exists()
    assert 'href="padding/padding%3Dwrap%2Cseed%3D0/03_train.ipynb"' in page.read_text()


def test_marks_are_those_of_the_moment(page):
    home = page.parents[1]
    (page.parent / "padding.yaml").write_text(yaml.safe_dump({**PLAN, "base": {"epochs": 3}}))
    assert "other knobs" in ledger.write_page(home).read_text()


def test_headings_sort_and_fields_filter_in_a_browser(page):
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("no chromium here to open the page in")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            tab = browser.new_page()
            trouble = []
            tab.on("pageerror", lambda error: trouble.append(str(error)))
            tab.goto(page.as_uri())

            def column(number):
                return tab.locator(f"tbody tr:visible td:nth-child({number})").all_inner_texts()

            tab.get_by_role("button", name="value").click()
            assert column(5) == ["0.700", "0.750", "0.800", "0.850", "0.900", "", ""]
            tab.get_by_role("button", name="value").click()
            assert column(5) == ["0.900", "0.850", "0.800", "0.750", "0.700", "", ""]
            tab.fill("#words", "ZEROS seed=1")
            assert column(2) == [ALL[4]]
            assert tab.inner_text("#count") == "1 of 7 runs"
            tab.fill("#words", "")
            tab.select_option("#state", "failed")
            assert column(2) == [ALL[5]]
            tab.select_option("#state", "")
            tab.select_option("#name", "never")
            assert column(1) == ["never"]
            assert trouble == []
        finally:
            browser.close()


def test_the_page_holds_results_that_are_no_json(page):
    (page.parent / "padding" / ALL[1] / "result.json").write_text("{half")
    table = Table()
    table.feed(ledger.write_page(page.parents[1]).read_text())
    assert next(row for row in table.rows if row and row[1] == ALL[1])[8] == "not run"
    assert json.loads((page.parent / "padding" / ALL[0] / "result.json").read_text())["status"] == "done"
