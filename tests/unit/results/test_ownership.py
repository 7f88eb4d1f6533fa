"""Results belong to one study's file: another file of the same name is refused, and no other."""

import shutil
from pathlib import Path

import pytest

from smoothgates.errors import BadInput
from smoothgates.ops.results.verify import verify
from smoothgates.study.ownership import mark, own_study


@pytest.fixture
def other(made, tmp_path_factory) -> Path:
    """A study of the same name in another folder."""
    folder = shutil.copytree("config", tmp_path_factory.mktemp("elsewhere") / "config")
    file = folder / "smoke.yaml"
    file.write_text(file.read_text().replace("seeds: [0, 1]", "seeds: [0, 1, 2]"))
    return file


def test_another_file_of_the_same_name_is_refused_before_any_run(other):
    with pytest.raises(
        BadInput, match=rf"^{other}: results/smoke belongs to config/smoke.yaml, a study of the same name"
    ):
        own_study(str(other))
    own_study("smoke")


@pytest.mark.parametrize("suffix", ["", "_rehearsal_cpu"])
def test_results_stay_with_the_file_that_made_them(suffix, other):
    shutil.move("config", "studies")
    name = str(other.with_stem(f"smoke{suffix}"))
    mark(own_study(name))
    own_study(name)
    with pytest.raises(BadInput, match=rf"^studies/smoke.yaml: results/smoke{suffix} belongs to {other}, a study"):
        own_study(f"studies/smoke{suffix}.yaml")


def test_a_study_whose_file_moved_keeps_its_results(other):
    shutil.move("config", "studies")
    mark(own_study("studies/smoke.yaml"))
    shutil.move("studies", "own")
    mark(own_study("own/smoke.yaml"))
    Path("studies").mkdir()
    shutil.copy(other, "studies/smoke.yaml")
    shutil.copy(other.with_name("methods.yaml"), "studies")
    with pytest.raises(BadInput, match=r"results/smoke belongs to own/smoke\.yaml"):
        own_study("studies/smoke.yaml")


def test_a_moved_checkout_keeps_its_results(made, tmp_path_factory, monkeypatch):
    mark(made.study)
    copy = shutil.copytree(".", tmp_path_factory.mktemp("copy") / "checkout")
    monkeypatch.chdir(copy)
    own_study("smoke")
    own_study(str(copy / "config/smoke.yaml"))


def test_a_file_with_equal_content_is_the_same_study(made, tmp_path_factory):
    folder = shutil.copytree("config", tmp_path_factory.mktemp("copy") / "config")
    own_study(str(folder / "smoke.yaml"))
    (folder / "methods.yaml").write_text((folder / "methods.yaml").read_text().replace("tau: [10, 12]", "tau: [9, 12]"))
    with pytest.raises(BadInput, match="a study of the same"):
        own_study(str(folder / "smoke.yaml"))


def test_the_mark_is_not_foreign_and_reading_writes_none(made):
    own_study("smoke")
    assert not Path("results/smoke/study.json").exists()
    mark(made.study)
    assert verify(made.study).findings == []
