"""The report's page in a browser: it works from the file alone, at both widths, on light and dark, and in print."""

from pathlib import Path

import axe_playwright_python
import pytest

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
HIDDEN_TEXT = """() => [...document.querySelectorAll("body *")].filter(each => {
  const box = each.getBoundingClientRect();
  return box.width && !each.closest(".scroll, .drawing, #charts") && (box.right > innerWidth + 1 || box.left < -1);
}).map(each => each.outerHTML.slice(0, 200))"""


def test_nothing_complains_and_nothing_is_fetched(opened, report):
    opened.page.emulate_media(media="print")
    opened.page.emulate_media(media="screen")
    assert opened.complaints == []
    assert opened.requests == [report.as_uri()]


def test_nothing_is_cut_off(opened):
    page = opened.page
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    assert page.evaluate(HIDDEN_TEXT) == []
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    assert page.evaluate(HIDDEN_TEXT) == []


def test_axe_finds_nothing_serious(opened):
    opened.page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    opened.page.evaluate(AXE)
    found = opened.page.evaluate("async () => (await axe.run()).violations")
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert [(each["id"], [node["html"][:200] for node in each["nodes"][:3]]) for each in serious] == []


def test_the_first_screen_has_the_answer_the_verdicts_and_a_figure(window):
    inside = "each => { const box = each.getBoundingClientRect(); return box.top >= 0 && box.top < innerHeight - 200; }"
    for selector in (".answer", "table.verdicts tbody tr", "#differences svg", "nav"):
        assert window.page.locator(selector).first.evaluate(inside), selector
    answer = window.page.inner_text(".answer")
    assert "sapo (−" in answer
    assert "under lag4" in answer


def test_every_internal_link_resolves(window):
    page = window.page
    targets = page.eval_on_selector_all("a[href^='#']", "links => links.map(each => each.hash.slice(1))")
    assert len(targets) > 10
    missing = [
        name for name in targets if not page.evaluate("name => document.getElementById(name)?.offsetParent", name)
    ]
    assert missing == []
    ids = page.eval_on_selector_all("[id]", "all => all.map(each => each.id)")
    assert len(ids) == len({*ids})


def test_links_to_files_beside_the_page_resolve(window, report):
    names = window.page.eval_on_selector_all(
        "a:not([href^='#'])", "links => links.map(each => each.getAttribute('href'))"
    )
    assert names
    assert [name for name in names if not (report.parent / name).is_file()] == []


def test_verdicts_are_filtered_by_paper_verdict_and_text(window):
    page, rows = window.page, window.page.locator("table.verdicts tbody tr:visible")
    every = rows.count()
    page.select_option("#verdict-filter [name=paper]", "2511.20347")
    assert 0 < rows.count() < every
    assert all("2511.20347" in text for text in rows.all_inner_texts())
    page.select_option("#verdict-filter [name=paper]", "")
    page.select_option("#verdict-filter [name=verdict]", "theory")
    assert 0 < rows.count() < every
    page.select_option("#verdict-filter [name=verdict]", "")
    page.fill("#verdict-filter [name=words]", "routing replay")
    assert 0 < rows.count() < every
    assert page.inner_text("#verdict-filter output") == f"{rows.count()} of {every} claims"


def test_all_verdicts_are_readable_without_javascript(chromium, report):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    rows = page.locator("table.verdicts tbody tr")
    assert rows.count() == page.locator("table.verdicts tbody tr:visible").count() > 30
    assert not page.locator("#compare").is_visible()
    assert not page.locator("#verdict-filter").is_visible()
    context.close()


@pytest.mark.parametrize(
    ("field", "value"),
    [("task", "logic"), ("regime", "near"), ("metric", "eur"), ("spread", "each")],
)
def test_a_choice_redraws_the_curves(window, field, value):
    page = window.page
    if field == "regime" and page.input_value("#compare-form [name=task]") != "math":  # the task with two of them
        before = window.drawn()
        page.select_option("#compare-form [name=task]", "math")
        window.redrawn(before)
    before = window.drawn()
    curves = page.inner_html("#curves-chart svg")
    if page.input_value(f"#compare-form [name={field}]") == value:
        value = next(each for each in page.eval_on_selector_all(
            f"#compare-form [name={field}] option", "all => all.map(each => each.value)") if each != value)  # fmt: skip
    page.select_option(f"#compare-form [name={field}]", value)
    assert value in window.redrawn(before)
    assert page.inner_html("#curves-chart svg") != curves


def test_methods_are_chosen_with_the_keyboard(window):
    page, before = window.page, window.drawn()
    differences, rows = page.inner_html("#differences-chart svg"), page.locator("#compare-table tbody tr").count()
    page.focus("#compare-form [value=sapo]")
    page.keyboard.press("Space")
    assert "sapo" not in window.redrawn(before)
    assert page.inner_html("#differences-chart svg") != differences
    assert page.locator("#compare-table tbody tr").count() == rows - 1
    assert window.complaints == []


def test_what_a_policy_wrote_is_text(window):
    assert window.page.title() == "smoothgates · laptop"
    completion = window.page.locator("td.completion").first.text_content()
    assert completion.startswith('</script><script>document.title = "owned"')
    assert completion.endswith(r"\x00\u202e{{ 7 * 7 }}")


def test_print_shows_every_table_and_cuts_no_figure(window):
    page = window.page
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 703, "height": 1000})  # A4 without its margins, in CSS pixels
    assert page.eval_on_selector_all("details > *", "all => all.filter(each => !each.offsetHeight).length") == 0
    cut = """() => [...document.querySelectorAll("table, figure svg")].filter(each => {
      const box = each.getBoundingClientRect();
      return box.right > innerWidth + 1 || (each.tagName === "svg" && box.height > 1032);
    }).map(each => each.outerHTML.slice(0, 120))"""
    assert page.evaluate(cut) == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
