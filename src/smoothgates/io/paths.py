"""Where the files of a study are. Rules, `plan` and `verify` take all paths from here."""


class Paths:
    """The paths of a study, relative to the working directory. Those of many files have Snakemake's wildcards.

    >>> Paths("laptop").model
    'results/laptop/train/{task}/{regime}/{method}/seed{seed}/model.json'
    """

    def __init__(self, study: str, results: str | None = None):
        self.results = results or f"results/{study}"
        self.reports = f"reports/{study}"
        self.logs = f"logs/{study}"

        self.data = f"{self.results}/data/{{task}}/manifest.json"
        self.index = f"{self.results}/index/{{index}}/manifest.json"
        self.warm_start = f"{self.results}/policy/{{task}}/seed{{seed}}/model.json"
        self.run = f"{self.results}/train/{{task}}/{{regime}}/{{method}}/seed{{seed}}"
        self.model = f"{self.run}/model.json"
        self.metrics = f"{self.run}/metrics.parquet"
        self.scores = f"{self.results}/evaluate/{{task}}/{{regime}}/{{method}}/seed{{seed}}/{{benchmark}}.json"
        self.gate_check = f"{self.results}/gates/{{gate}}/check.json"
        self.gates = f"{self.results}/analysis/gates/catalogue.json"
        self.gate_curves = f"{self.results}/analysis/gates/curves.parquet"
        self.comparisons = f"{self.results}/analysis/comparisons.json"
        self.verdicts = f"{self.results}/analysis/verdicts.json"
        self.tables = [f"{self.results}/analysis/{table}.parquet" for table in ("scores", "learning", "curves")]
        self.page = f"{self.reports}/index.html"
        self.mark = f"{self.results}/study.json"

    def model_of(self, task: str, regime: str, method: str, seed: int) -> str:
        """The manifest of a run's policy, or of the warm start."""
        pattern = self.warm_start if method == "warm_start" else self.model
        return pattern.format(task=task, regime=regime, method=method, seed=seed)


def record_of(result: str) -> str:
    """The path of a result's run record. Scores of several benchmarks share a folder, so each has its own record.

    >>> record_of("a/model.json"), record_of("results/s/evaluate/a/seed0/heldout.json")
    ('a/run.json', 'results/s/evaluate/a/seed0/heldout.run.json')
    """
    folder, _, name = result.rpartition("/")
    return f"{folder}/{name.removesuffix('.json')}.run.json" if "/evaluate/" in folder else f"{folder}/run.json"


def samples_of(scores: str) -> str:
    """The path of the samples that scores summarise: a data set with one file for each benchmark.

    >>> samples_of("results/s/evaluate/a/seed0/heldout.json")
    'results/s/evaluate/a/seed0/samples.parquet/heldout.parquet'
    """
    folder, _, name = scores.rpartition("/")
    return f"{folder}/samples.parquet/{name.removesuffix('.json')}.parquet"
