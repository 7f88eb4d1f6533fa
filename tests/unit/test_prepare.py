"""prepare: the number of distinct examples that the spec asks for, or one line with the number that exist."""

import json
import re
from pathlib import Path

import pytest

from smoothgates.data.generate import generated, on_side
from smoothgates.data.mirror import MARK, STAND_INS, load_mirrored
from smoothgates.data.pinned import LOCK
from smoothgates.errors import BadInput
from smoothgates.io.documents import load_json
from smoothgates.report.tables import data_table, made_up
from smoothgates.specs.prepare import PrepareSpec
from smoothgates.stages import prepare
from smoothgates.study.loader import load_study
from smoothgates.study.schema import Part
from smoothgates.tasks import NAMES, load_task
from smoothgates.tasks.logic import laptop
from smoothgates.tasks.math import word_problems

FEW = [("logic", "kk2", laptop, {"FIRST_NAMES": ["Ann", "Pam"]})]
FEW += [("math", "word_problems", word_problems, {"FIRST_NAMES": ["Ann"], "OBJECTS": ["pens"]})]
REHEARSED = [path.stem for path in sorted(Path("config").glob("*.yaml")) if "\nmodel:" in path.read_text("utf-8")]
ON_HUB = [(task, name) for task in NAMES for name, source in load_task(task).sources.items() if source.hub]


def spec_of(task: str, source: str, rows: int, held: int) -> PrepareSpec:
    benchmarks = {"heldout": Part(source=source, rows=held)}
    return PrepareSpec(task=task, train=(Part(source=source, rows=rows),), benchmarks=benchmarks, seed=0)


@pytest.mark.parametrize(("task", "source", "module", "few"), FEW)
class TestDistinct:
    """With so few names that the examples run out."""

    @pytest.fixture(autouse=True)
    def fewer(self, module, few, monkeypatch):
        for name, value in few.items():
            monkeypatch.setattr(module, name, value)

    def test_every_example_is_one_that_is_drawn_and_stands_once(self, task, source):
        generator = load_task(task).generators[source]
        every = {example.id: example for example in generator.every()}
        assert len(every) == len([*generator.every()])
        own = {id for id, example in every.items() if on_side(generator, example, heldout=True)}
        drawn = generated(generator, len(own), True, seed=3)
        assert {example.id for example in drawn} == own
        assert all(every[example.id] == example for example in drawn)

    def test_more_than_there_are_is_one_line_with_their_number(self, task, source, tmp_path):
        generator = load_task(task).generators[source]
        held = sum(on_side(generator, example, True) for example in generator.every())
        for rows, asked, message in (
            (5, held + 1, f"rows: {held + 1} asked for, but only {held} distinct ones are held out"),
            (10_000_000, 5, r"rows: 10000000 asked for, but only \d+ distinct ones are for training"),
        ):
            with pytest.raises(BadInput, match=rf"{task}\.data: {source}: {message}$"):
                prepare.run(spec_of(task, source, rows, asked).canonical(), tmp_path / "m.json")
        assert list(tmp_path.iterdir()) == []


class TestStandIns:
    """A rehearsal on CPUs uses made-up rows, and says so."""

    @pytest.mark.parametrize(("task", "name"), ON_HUB)
    def test_each_source_of_the_hub_has_rows_that_its_own_code_reads(self, task, name):
        examples, facts = load_mirrored(f"{task}/{name}", load_task(task).sources[name], STAND_INS)
        assert len(examples) == facts["rows"] >= 12
        assert facts["from"] == "stand-in rows"

    def test_no_row_is_from_a_data_set(self):
        """None of their questions is in the public sets."""
        public = Path("../shared/data")
        next(public.iterdir())  # raises where it is missing

        def asked(folder: Path) -> set[str]:
            texts = "\n".join(path.read_text("utf-8", errors="replace") for path in folder.glob("*/*.jsonl"))
            return set(re.findall(r'"(?:question|problem|quiz)": ("(?:[^"\\]|\\.)+")', texts))

        ours, theirs = ({json.loads(text) for text in asked(folder)} for folder in (STAND_INS, public))
        assert len(ours) > 250
        assert len(theirs) > 5000
        assert ours.isdisjoint(theirs)

    @pytest.mark.parametrize("name", REHEARSED)
    def test_a_rehearsal_prepares_its_data_without_a_hub(self, name, tmp_path):
        """All its tasks; manifest and report name the sources of made-up rows."""
        study = load_study(f"{name}_rehearsal_cpu")
        mirror = Path(study.config.data_mirror)
        for task, chosen in study.config.tasks.items():
            out = tmp_path / task / "manifest.json"
            prepare.run(study.prepare_spec(task).canonical(), out, mirror)
            manifest = load_json(out)
            sources = {part.source for part in (*chosen.data.train, *chosen.data.benchmarks.values())}
            assert made_up([manifest]) == sorted(sources)
            assert (data_table([manifest])["origin"] == "stand-in rows").all()
            for evaluation in chosen.evaluation.values():
                assert evaluation.final.problems <= min(o["benchmark"] for o in manifest["overlap"].values())
        corpora = [Path(path) for index in study.config.indexes.values() for path in index.corpus]
        assert all(path.is_file() for path in corpora)

    def test_a_mirror_of_ones_own_is_read_instead(self, tmp_path):
        text = Path("config/one_gpu.yaml").read_text("utf-8")
        (tmp_path / "methods.yaml").write_text(Path("config/methods.yaml").read_text("utf-8"), encoding="utf-8")
        (tmp_path / "mine.yaml").write_text(f"{text}data_mirror: elsewhere\n", encoding="utf-8")
        assert load_study(str(tmp_path / "mine_rehearsal_cpu.yaml")).config.data_mirror == "elsewhere"

    def test_with_its_own_engine_a_rehearsal_reads_the_studys_own_data(self):
        study = load_study("sapo_rehearsal")
        assert study.config.data_mirror is None
        assert study.data_files("math") == [str(LOCK)]
        assert study.lock == Path("config/sapo.lock.yaml")

    def test_a_mirror_says_by_a_file_that_its_rows_stand_in(self, tmp_path):
        (tmp_path / "math").mkdir()
        rows = (STAND_INS / "math/hmmt25.jsonl").read_text("utf-8")
        (tmp_path / "math/hmmt25.jsonl").write_text(rows, encoding="utf-8")
        source = load_task("math").sources["hmmt25"]
        assert load_mirrored("math/hmmt25", source, tmp_path)[1]["from"] == "mirror"
        (tmp_path / MARK).touch()
        assert load_mirrored("math/hmmt25", source, tmp_path)[1]["from"] == "stand-in rows"
