"""The records of questions beyond the papers: comparisons of runs in groups. Read from config/questions.yaml."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, model_validator

from smoothgates.io.records import Record
from smoothgates.specs.claims import Methods, Metric, Name, Text


class Place(Record):
    """Cells where a group is compared: those that a study has."""

    task: Name
    regimes: Annotated[tuple[Name, ...], Field(min_length=1)]
    benchmark: Name = "heldout"
    """Of the score. Other metrics are those of the run, whatever the benchmark."""


class Group(Record):
    """Comparisons whose answers mean the same: `one` minus `other`, paired by seed, in each cell that has both."""

    one: Text
    """What is compared, in words that fit before `has a higher score than`."""
    other: Text
    """What it is compared with."""
    metric: Metric = "score"
    margin: PositiveFloat
    """The smallest effect that would matter, in the unit of the metric; for variances, their ratio. Ours."""
    methods: tuple[Methods, ...] | None = None
    """[one, other] each; or [both], in a regime of `cells` and in `against`. None: all methods, and the reference."""
    cells: Annotated[tuple[Place, ...], Field(min_length=1)]
    against: Name | None = None
    """The regime of `other`. None: that of `one`."""

    @model_validator(mode="after")
    def _two_sides(self) -> "Group":
        names = 1 if self.against else 2
        if self.against and self.methods is None:
            raise ValueError("methods: expected the methods that are compared with themselves in `against`")
        if wrong := [pair for pair in self.methods or () if len(pair) != names]:
            form = "[both], as `against` is given" if self.against else "[one, other], as `against` is not given"
            raise ValueError(f"methods: expected {form}, got {list(wrong[0])}")
        return self


class Dial(Record):
    """A setting that regimes turn up step by step."""

    name: Text
    """In words that fit before `lowers the score of`."""
    label: Text
    """Of the figure's axis."""
    values: Annotated[dict[Name, float], Field(min_length=2)]
    """By regime."""


class Question(Record):
    """A question, and the comparisons that answer it. They are one family: their p-values are corrected together."""

    id: Name
    asks: Text
    compares: Literal["means", "variances"] = "means"
    """`variances`: of `one` as a share of that of `other`, over seeds, without runs that collapsed."""
    dial: Dial | None = None
    """None: regimes are cells like others."""
    groups: Annotated[tuple[Group, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _on_the_dial(self) -> "Question":
        for group in self.groups if self.dial else ():
            if group.against is None:
                raise ValueError("groups: expected `against` in each, as `dial` is given")
            for regime in (group.against, *(regime for place in group.cells for regime in place.regimes)):
                if self.dial and regime not in self.dial.values:
                    raise ValueError(f"dial.values: expected every regime in groups, '{regime}' is not there")
        return self


class Questions(Record):
    """All questions, in the order of the page."""

    questions: Annotated[tuple[Question, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _distinct(self) -> "Questions":
        ids = [question.id for question in self.questions]
        if repeated := [name for name in ids if ids.count(name) > 1]:
            raise ValueError(f"questions: '{repeated[0]}' is the id of two")
        return self
