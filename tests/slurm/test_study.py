"""A study on a cluster, and one that cannot be finished."""

import shutil

from .cluster import wait_until


def test_from_data_to_report(checkout, cluster, undisturbed):
    shutil.rmtree(checkout.folder / "results")
    checkout.edit("config/slow.yaml", "brief: [grpo], long: [grpo]", "brief: [grpo]")
    run = checkout.start()
    found = wait_until(lambda: [row for row in cluster.squeue() if "train" in row[3]], 150, "the training")
    [[_, _, name, comment]] = found
    assert name.startswith("slow")
    assert comment == "rule_train_wildcards_math_brief_grpo_0"
    assert run.end() == 0, run.text
    assert checkout.weights("brief") == undisturbed["brief"]
    assert (checkout.folder / "reports/slow/index.html").exists()


def test_a_job_that_cannot_succeed_ends_the_run_and_names_its_log(checkout):
    data = checkout.folder / "results/slow/data/math/train.parquet"
    data.write_bytes(data.read_bytes()[:-100])
    run = checkout.start(target="brief")
    assert run.end() == 1, run.text
    assert checkout.log("brief") in run.text
    assert "damaged" in (checkout.folder / checkout.log("brief")).read_text()
