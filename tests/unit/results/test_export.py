"""What `export` writes is what the runs logged, in formats that other tools read."""

import csv
import math
import struct
from pathlib import Path

import pytest
import torch

from smoothgates.distributed.ranks import Ranks
from smoothgates.errors import BadInput
from smoothgates.io.files import write_json, write_parquet
from smoothgates.ops.results import export
from smoothgates.ops.results.workdirs import work_of
from smoothgates.train.run import checkpoint

RUN = "math/near/erf/seed0"
NAN = float("nan")
UPDATES = [
    {"rollout": 1.0, "update": 1.0, "reward": 0.25, "kl": 0.0, "grad_norm": 1.5},
    {"rollout": 1.0, "update": 2.0, "reward": 0.25, "kl": 0.5, "grad_norm": math.inf},
    {"rollout": 2.0, "update": 2.0, "reward": 0.75, "kl": NAN, "grad_norm": NAN},
    {"rollout": 3.0, "update": 3.0, "reward": 1.0, "kl": 1e39, "grad_norm": 2.0},
]
SCORES = {
    "schema": "smoothgates.scores",
    "schema_version": 1,
    "final": {"score": 0.5, "sampling_error": None},
    "curve": [{"rollouts": 0, "score": 0.1}, {"rollouts": 1, "score": 0.2}, {"rollouts": 2, "score": 0.3}],
}
COURSE = [
    (0, "evaluate/heldout/curve/rollouts", 0.0),
    (0, "evaluate/heldout/curve/score", 0.1),
    (1, "train/rollout", 1.0),
    (1, "train/reward", 0.25),
    (1, "train/kl", 0.0),
    (1, "train/grad_norm", 1.5),
    (2, "train/rollout", 1.0),
    (2, "train/reward", 0.25),
    (2, "train/kl", 0.5),
    (2, "train/grad_norm", math.inf),
    (2, "train/rollout", 2.0),
    (2, "train/reward", 0.75),
    (2, "evaluate/heldout/curve/rollouts", 1.0),
    (2, "evaluate/heldout/curve/score", 0.2),
    (2, "evaluate/heldout/curve/rollouts", 2.0),
    (2, "evaluate/heldout/curve/score", 0.3),
    (3, "train/rollout", 3.0),
    (3, "train/reward", 1.0),
    (3, "train/kl", 1e39),
    (3, "train/grad_norm", 2.0),
    (3, "evaluate/heldout/score", 0.5),
]
"""Steps, tags and values of a run with these updates and scores."""


@pytest.fixture
def logged(made):
    """A study in which one run has these updates and scores, and all others files that cannot be read."""
    job = made.job("train", RUN)
    write_parquet(Path(job.outputs["metrics"]), UPDATES)
    made.record(Path(job.records[0]), job, [], [Path(path) for path in job.writes])
    path = Path(f"results/smoke/evaluate/{RUN}/heldout.json")
    write_json(path, SCORES)
    made.record(path.with_name("heldout.run.json"), job, [], [path])
    return made


def exported(study, to="csv", out="out") -> list[tuple[str, int, str, float]]:
    export.run(study, to, Path(out), Path("work"))
    if to == "tensorboard":
        files = sorted(Path(out).rglob("*tfevents*"))
        return [(file.parent.relative_to(out).as_posix(), *point) for file in files for point in scalars(file)]
    with open(f"{out}/metrics.csv", newline="") as file:
        return [(row["run"], int(row["step"]), row["metric"], float(row["value"])) for row in csv.DictReader(file)]


def crc32c(data: bytes) -> int:
    """Bit by bit, as polynomials are divided."""
    crc = 0xFFFFFFFF
    for byte in data:
        for i in range(8):
            top = (crc ^ byte >> i) & 1
            crc = crc >> 1 ^ (0x82F63B78 if top else 0)
    return crc ^ 0xFFFFFFFF


def unmasked(masked: int) -> int:
    rotated = (masked - 0xA282EAD8) % 2**32
    return (rotated >> 17 | rotated << 15) % 2**32


def records(data: bytes):
    """The data of each record of a TFRecord file, whose checksums are right."""
    while data:
        (length, crc), rest = struct.unpack("<QI", data[:12]), data[12:]
        assert unmasked(crc) == crc32c(data[:8])
        content, (crc,), data = rest[:length], struct.unpack("<I", rest[length : length + 4]), rest[length + 4 :]
        assert unmasked(crc) == crc32c(content)
        yield content


def number(data: bytes) -> tuple[int, bytes]:
    """A varint, and what follows it."""
    value = shift = 0
    for i, byte in enumerate(data):
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, data[i + 1 :]
    raise AssertionError("no end of a number")


def fields(data: bytes):
    """Numbers and contents of the fields of a protocol buffer's message."""
    while data:
        key, data = number(data)
        if key & 7 == 0:
            content, data = number(data)
        else:
            size, data = {1: (8, data), 5: (4, data)}.get(key & 7) or number(data)
            content, data = data[:size], data[size:]
        yield key >> 3, content


def scalars(file: Path) -> list[tuple[int, str, float]]:
    first, *events = map(list, map(fields, records(file.read_bytes())))
    assert first == [(3, b"brain.Event:2")]
    found = []
    for event in map(dict, events):
        for key, content in fields(event[5]):
            value = dict(fields(content))
            assert key == 1
            found.append((event[2], value[1].decode(), struct.unpack("<f", value[2])[0]))
    return found


def test_the_table_holds_each_value_that_was_logged(logged):
    assert exported(logged.study) == [(RUN, *point) for point in COURSE]
    assert Path("out/metrics.csv").read_bytes().startswith(b"run,step,metric,value\nmath/near/erf/seed0,0,evaluate/")


def test_event_files_hold_the_same_in_single_precision(logged):
    found = exported(logged.study, "tensorboard")
    assert [point[:3] for point in found] == [(RUN, *point[:2]) for point in COURSE]
    values = [math.inf if value > 1e38 else value for *_, value in COURSE]
    assert [value for *_, value in found] == pytest.approx(values)


def test_event_files_are_read_by_tensorboard(logged):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    exported(logged.study, "tensorboard")
    (file,) = Path("out").rglob("*tfevents*")
    events = list(reader.LegacyEventFileLoader(str(file)).Load())
    found = [(event.step, value.tag) for event in events for value in event.summary.value]
    assert found == [point[:2] for point in COURSE]


@pytest.mark.parametrize("to", export.WRITERS)
def test_equal_results_give_equal_bytes(logged, to):
    for out in ("one", "two"):
        exported(logged.study, to, out)
    one, two = ([path.read_bytes() for path in Path(out).rglob("*") if path.is_file()] for out in ("one", "two"))
    assert one == two


def test_damaged_files_are_named_and_left_out(logged, capsys):
    with open(f"results/smoke/evaluate/{RUN}/heldout.json", "a") as file:
        file.write(" ")
    found = exported(logged.study)
    assert found == [(RUN, *point) for point in COURSE if point[1].startswith("train/")]
    said = capsys.readouterr()
    assert said.out == "out: 1 of 6 runs\n"
    lines = said.err.splitlines()
    assert len(lines) == 6
    assert f"left out: results/smoke/evaluate/{RUN}/heldout.json: does not match the digest in its record" in lines
    assert all(line.startswith("left out: results/smoke/") for line in lines)


def test_a_run_that_has_not_finished_is_exported_up_to_its_checkpoint(logged, capsys):
    job = logged.job("train", RUN)
    for path in (*job.writes, *job.records, f"results/smoke/evaluate/{RUN}/heldout.json"):
        Path(path).unlink(missing_ok=True)
    folder = Path("work") / work_of(logged.study, job) / "checkpoints"
    folder.mkdir(parents=True)
    table = torch.tensor([list(row.values()) for row in UPDATES[:2]], dtype=torch.double)
    for rows in (1, 2):
        checkpoint.save(folder, {"updates": table[:rows]}, {"columns": list(UPDATES[0])}, {}, Ranks(), {})
    assert exported(logged.study) == [(RUN, *point) for point in COURSE[2:10]]
    assert capsys.readouterr().out == "out: 1 of 6 runs, 1 of them not finished\n"
    (folder / "000002/state.safetensors").write_bytes(b"")
    assert exported(logged.study, out="again") == [(RUN, *point) for point in COURSE[2:6]]
    assert "000002/state.safetensors: damaged" in capsys.readouterr().err


def test_nothing_that_exists_is_written_over(logged):
    for out in ("full", "file"):
        if out == "full":
            Path(out).mkdir()
            (Path(out) / "mine").write_text("")
        else:
            Path(out).write_text("mine")
        with pytest.raises(BadInput, match=f"^{out}: expected an empty folder, or a name that is free$"):
            exported(logged.study, out=out)
    Path("empty").mkdir()
    assert len(exported(logged.study, out="empty")) == len(COURSE)


def test_without_a_run_nothing_is_written(made, capsys):
    before = sorted(Path().iterdir())
    with pytest.raises(BadInput, match=r"^results/smoke: no run to export$"):
        exported(made.study)
    assert sorted(Path().iterdir()) == before


def test_an_export_that_fails_leaves_nothing(logged, monkeypatch):
    before = sorted(Path().iterdir())

    def full(folder, runs):
        (folder / "half").write_text("")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(export.WRITERS, "csv", full)
    with pytest.raises(OSError, match="No space"):
        exported(logged.study)
    assert sorted(Path().iterdir()) == before
