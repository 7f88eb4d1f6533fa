"""Public sets of math problems: for training (GSM8K and DeepMath-103K, as in 2602.19345), and the papers' benchmarks.

Golds are unchanged, except for commas in GSM8K, leading zeros, floats that are integers, and dollar signs around a
gold. The comment beside each commit says which public code pins it.
"""

from collections.abc import Callable, Iterable
from typing import Any

from smoothgates.tasks.task import Example, Row, Source, example_of


def problem(row: Row) -> Example | None:
    """Read {question or problem, answer}: the columns of most sets, and of mirrors.

    >>> problem({"id": 60, "problem": "How many?", "answer": "025", "url": "..."})
    Example(id='60', question='How many?', answers=('25',), extra={})
    """
    return _example(row, [row["answer"]])


def gsm8k(row: Row) -> Example | None:
    """Read a row whose `answer` is a solution that ends in `#### gold`.

    >>> gsm8k({"question": "How many?", "answer": "2 * 600 = <<2*600=1200>>1200\\n#### 1,200"}).answers
    ('1200',)
    """
    return _example(row, [row["answer"].rpartition("####")[2].replace(",", "")])


def deepmath(row: Row) -> Example | None:
    """Read a row whose gold is `final_answer`. Its three solutions by DeepSeek-R1 are dropped.

    >>> deepmath({"question": "Is it so?", "final_answer": "Yes", "difficulty": 4.5, "r1_solution_1": "..."}).answers
    ('Yes',)
    """
    return _example(row, [row["answer" if "answer" in row else "final_answer"]])


def aime(row: Row) -> Example | None:
    """Read a row whose answer is an integer. If it is given in degrees, it is also accepted without the sign.

    >>> aime({"problem": "What angle?", "answer": "336^\\\\circ"}).answers
    ('336', '336^\\\\circ')
    """
    gold = str(row["answer"])
    return _example(row, [gold.removesuffix(r"^\circ"), gold])


def minerva(row: Row) -> Example | None:
    """Read a row with cleaned variants of golds that are not LaTeX (`3.83e35`, `np.arcsin(10/13)`).

    >>> minerva({"question": "?", "answer": "4e33", "meta": {"rllm_answers": ["4 \\\\times 10^{33}"]}}).answers
    ('4e33', '4 \\\\times 10^{33}')
    """
    return _example(row, [row["answer"], *((row.get("meta") or {}).get("rllm_answers") or ())])


def olympiadbench(row: Row) -> Example | None:
    """Read a row whose gold is the list `final_answer`. It has one entry, which may contain several values.

    All values are required, so a longer list is joined; its entries are not alternatives.

    >>> olympiadbench({"id": 7, "question": "Find all $n$.", "final_answer": ["$1,3$"], "context": None}).answers
    ('1,3',)
    >>> olympiadbench({"id": 8, "question": "Find all $n$.", "final_answer": ["$69$,$84$"]}).answers
    ('$69$,$84$',)
    """
    gold = row["answer"] if "answer" in row else ",".join(row["final_answer"])
    inner = gold.removeprefix("$").removesuffix("$")
    return _example(row, [inner if gold == f"${inner}$" and "$" not in inner else gold])


def _example(row: Row, golds: Iterable[Any]) -> Example | None:
    id = next((row[key] for key in ("id", "unique_id", "problem_idx") if key in row), "")
    return example_of(str(id), row["question" if "question" in row else "problem"], map(_text, golds))


def _text(gold: Any) -> str:
    """Return a gold as text.

    >>> _text(27.0), _text(" 073"), _text("204"), _text("0"), _text("0.5"), _text(None)
    ('27', '73', '204', '0', '0.5', '')
    """
    if gold is None:
        return ""
    text = str(int(gold)) if isinstance(gold, float) and gold.is_integer() else str(gold)
    return text.strip().lstrip("0") or "0" if text.strip().isdecimal() else text


def _mirrored(read: Callable[[Row], Example | None], *names: str) -> dict[str, Source]:
    return {name: Source(read) for name in names}


_GSM8K = ("openai/gsm8k", "cc7b047b6e5bb11b4f1af84efc572db110a51b3c")  # UKGovernmentBEIS/inspect_evals

SOURCES: dict[str, Source] = {
    "gsm8k_train": Source(gsm8k, *_GSM8K, ("main/train-*.parquet",)),
    "gsm8k_test": Source(gsm8k, *_GSM8K, ("main/test-*.parquet",)),
    "deepmath": Source(
        deepmath,
        "zwhe99/DeepMath-103K",
        "5cf055d1fe3d7a2eb19719ac020211469736ae44",  # LiXin97/DN-MOPD, data/build/build_data.py
        ("data/train-*.parquet",),
    ),
    "math500": Source(
        problem,
        "HuggingFaceH4/MATH-500",
        "6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be",  # public manifests of data
        ("test.jsonl",),
    ),
    "aime24": Source(
        aime,
        "HuggingFaceH4/aime_2024",
        "2fe88a2f1091d5048c0f36abc874fb997b3dd99a",  # the set's history; public manifests of data
        ("data/train-*.parquet",),
    ),
    "aime25": Source(
        aime,
        "math-ai/aime25",
        "563bb8404243c5f09de6ec262f2db674fe5bce9b",  # public manifests of data
        ("test.jsonl",),
    ),
    "amc23": Source(
        problem,
        "math-ai/amc23",
        "80815d37005feb82cd7f8fbc6901d5d3eff43057",  # public scripts that fetch it
        ("test-*.parquet",),
    ),
    "minerva_math": Source(
        minerva,
        "math-ai/minervamath",
        "ee46ddc498933b1977577953250ca5c66be64f96",  # public manifests of data
        ("test.jsonl",),
    ),
    "olympiadbench": Source(
        olympiadbench,
        "math-ai/olympiadbench",  # 674 problems; Qwen2.5-Math's copy, which mirrors have, has one more
        "4faaf1e6ec17d11a4218a9bf4c049ecaf954dd84",  # public manifests of data
        ("test.parquet",),
    ),
    "hmmt25": Source(
        problem,
        "MathArena/hmmt_feb_2025",
        "6fdc4277120810ff75aa22d2d5489b91f7a262a1",  # open-compass/opencompass; scitix/sieval
        ("data/train-*.parquet",),
    ),
    "beyondaime": Source(
        problem,
        "ByteDance-Seed/BeyondAIME",
        "c705198ae1043810b1e1693bd879250b51a7a523",  # public manifests of data
        ("data/test.parquet",),
    ),
    # Stand-ins for DeepMath-103K, and a second AMC set.
    **_mirrored(problem, "deepscaler_sub_train", "math_train_2k", "amc_83"),
}
