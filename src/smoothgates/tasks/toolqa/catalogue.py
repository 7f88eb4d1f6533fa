"""Public question-answering sets: Search-R1's training set and seven benchmarks, as FlashRAG prepared them."""

from smoothgates.tasks.task import Corpus, Example, Row, Source, example_of


def question(row: Row) -> Example | None:
    """Read FlashRAG's columns ({id, question, golden_answers}) or those of a mirror, with all golds.

    `extra` has the titles of the passages that support the answer, if the set names them.

    >>> question({"id": "test_0", "question": "Who?", "golden_answers": ["Ada", "Lovelace"]}).answers
    ('Ada', 'Lovelace')
    """
    titles = row.get("supporting_titles")
    golds = row["answers" if "answers" in row else "golden_answers"]
    extra = {"supporting_titles": list(titles)} if titles else {}
    return example_of(str(row["id"]), row["question"], map(str, golds), extra)


def search_r1(row: Row) -> Example | None:
    """Read a row of Search-R1's mixture. Both of its sets count from `train_0`, so ids get the set's name.

    >>> search_r1({"id": "train_0", "question": "Who?", "golden_answers": ["Ada"], "data_source": "nq"}).id
    'nq-train_0'
    """
    return question({**row, "id": f"{row['data_source']}-{row['id']}"} if "data_source" in row else row)


# From public plans of two replications, with the digests of single files.
_FLASHRAG = ("RUC-NLPIR/FlashRAG_datasets", "bcafb8dd07d453be3cbeeeb3f78be1841bddf92c")
_SPLITS = {
    "nq": "test",
    "triviaqa": "test",
    "popqa": "test",
    "hotpotqa": "dev",
    "2wikimultihopqa": "dev",
    "musique": "dev",
    "bamboogle": "test",
}
_MIRRORED = (
    "hotpotqa_distractor_train100",
    "musique_train100",
    "nq_efficientqa_dev",
    "nq_open_oracle",
    "popqa_triviaqa_retrieved",
    "r1searcher_hotpotqa_500",
    "r1searcher_musique_500",
    "r1searcher_train",
    "seven_sets_dev",
)

SOURCES: dict[str, Source] = {
    "nq_hotpotqa_train": Source(
        search_r1,
        "PeterJinGo/nq_hotpotqa_train",
        "b7d80abfee334a7a91cb377544f09180d58b34f6",  # redai-studio/Relax, examples/search_r1
        ("train.parquet",),
    ),
    **{name: Source(question, *_FLASHRAG, (f"{name}/{split}.jsonl",)) for name, split in _SPLITS.items()},
    **{name: Source(question) for name in _MIRRORED},
}

CORPORA: dict[str, Corpus] = {
    # Wikipedia of December 2018 in 21 million passages of 100 words (DPR's). The file is a tar archive, despite
    # its name. Commit and member: redai-studio/Relax, examples/search_r1; digest: public manifests of data.
    "wiki18": Corpus(
        hub="PeterJinGo/wiki-18-corpus",
        revision="69c1c00ffe7c5554c68d8548355cb22e46aabc51",
        archive="wiki-18.jsonl.gz",
        sha256="7abd929223399cd63c52b499f289bf4f9039be1e9f8c43e1cb3938305b2317db",
        member="data00/jiajie_jin/flashrag_indexes/wiki_dpr_100w/wiki_dump.jsonl",
    ),
}
