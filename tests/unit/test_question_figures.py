"""The section on questions shows every answer with its figure, its numbers and its collapses, uncut and escaped."""

import re
from itertools import pairwise

import matplotlib.pyplot as plt
import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from smoothgates.analysis.questions import answers
from smoothgates.report.question_figures import figure_of, numbers
from smoothgates.report.question_words import headline
from smoothgates.report.questions import section
from smoothgates.report.style import look, set_theme
from smoothgates.study.loader import load_study
from tests.unit.test_questions import ANSWERED, QUESTIONS, made, without

SPEC = load_study("evidence").report_spec()
LOOK = look(list(SPEC.order), SPEC.reference)


@pytest.fixture(scope="module")
def found() -> dict:
    return answers(made())


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(plt.Text) if text.get_visible() and text.get_text()]


def inside(box, whole) -> bool:
    return whole.x0 <= box.x0 <= box.x1 <= whole.x1 and whole.y0 <= box.y0 <= box.y1 <= whole.y1


def drawn(question: dict):
    set_theme()
    function, *arguments = figure_of(question, LOOK)
    figure = function(*arguments)
    figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize("name", ANSWERED)
def test_no_label_is_cut_or_covered(found, name):
    (question,) = [each for each in found["answered"] if each["id"] == name]
    figure = drawn(question)
    whole = figure.bbox.padded(1)
    for axis in (axis for axis in figure.axes if axis.get_visible()):
        low, high = axis.get_ylim()
        ticks = [t for t in axis.yaxis.get_major_ticks() if min(low, high) <= t.get_loc() <= max(low, high)]
        labels = [tick.label1.get_window_extent() for tick in ticks if tick.label1.get_text()]
        assert not any(one.overlaps(other) for one, other in pairwise(labels))
    ticks = [label for axis in figure.axes for label in axis.xaxis.get_ticklabels()]  # some are beyond the ends
    texts = [text for text in figure.findobj(plt.Text) if text.get_text() and text not in ticks]
    texts = [text for text in texts if text.axes is None or text.axes.get_visible()]
    assert len(texts) > 4
    assert [text.get_text() for text in texts if not inside(text.get_window_extent(), whole)] == []
    assert figure.get_size_inches()[0] < 7  # the page shows it at its size from 640 px on
    assert figure.legends
    plt.close(figure)


def test_collapses_are_marked_in_figures_and_stand_beside_every_mean(found):
    by_id = {question["id"]: question for question in found["answered"]}
    figure = drawn(by_id["lag"])
    assert texts(figure).count("4/10") == 2  # at lags 4 and 8
    plt.close(figure)
    page = {question["id"]: question for question in section(found)["answered"]}
    arm = next(row for row in page["lag"]["arms"] if (row["regime"], row["method"]) == ("lag8", "none"))
    assert (arm["collapsed"], arm["n"]) == ("4 of 10", "10")
    assert float(arm["median"]) > 80 > float(arm["mean"].split()[0])
    for question in page.values():
        assert all(row["median"] != "–" and re.fullmatch(r"\d+ of 10", row["collapsed"]) for row in question["arms"])


def test_the_numbers_beside_a_figure_are_those_of_the_answers(found):
    for question in found["answered"]:
        table = numbers(question)
        if question["dial"]:
            assert table["mean"].tolist() == [arm["mean"] for arm in question["arms"]]
            assert table["value"].tolist() == [question["dial"]["values"][arm["regime"]] for arm in question["arms"]]
            assert table["seed3"].tolist() == [arm["by_seed"]["3"] for arm in question["arms"]]
        else:
            rows = [row for group in question["groups"] for row in group["comparisons"]]
            assert table["effect"].tolist() == [row["effect"] for row in rows]
            assert table["one"][0] == "/".join(rows[0]["one"].values())


def render(found: dict) -> str:
    loader = FileSystemLoader("src/smoothgates/report")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    figure = "{% macro figure(name, kinds) %}<figure>{{ name }}: {{ kinds | join }}{{ caller() }}{% endmacro %}"
    page = environment.from_string(figure + "{% include 'questions.html.j2' %}")
    return page.render(questions=section(found))


def test_the_section_has_each_answer_as_its_heading(found):
    html = render(found)
    headings = re.findall(r'<h3 id="question-(\w+)">(.*?)</h3>', html)
    assert [name for name, _ in headings] == [question["id"] for question in found["answered"]]
    assert any(each["told"] for each in section(found)["answered"])
    for (name, heading), question in zip(headings, found["answered"], strict=True):
        assert heading.replace("&#39;", "'") == headline(question)
        assert f"<figure>question_{name}: csvsvgpdf" in html
    assert ("This study has no cells for: field." in html) == ("field" not in ANSWERED)
    assert not re.search(r"\bnan\b|None", html)


def test_a_study_without_answers_says_so_in_one_line():
    html = render({"answered": [], "absent": [{"id": name, "asks": ""} for name in QUESTIONS]})
    assert "no cells for: tail or width, one sided" in html
    assert "<figure" not in html


def test_missing_runs_are_drawn_as_missing():
    complete = made()
    runs = complete.runs
    lost = (runs["method"] == "erf_wide") & (runs["regime"] != "lag0")
    for question in answers(without(complete, lost))["answered"]:
        figure = drawn(question)
        if question["id"] == "tail_or_width":
            assert "not compared" in texts(figure)
        plt.close(figure)


def test_a_figure_without_any_run_can_be_drawn():
    complete = made()
    for question in answers(without(complete, complete.runs["method"] != "gspo"))["answered"]:
        plt.close(drawn(question))


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_one_or_two_seeds_can_be_drawn(seeds):
    for question in answers(made(seeds))["answered"]:
        plt.close(drawn(question))
