"""From scores to the report. Nothing here trains: `make report` allows these rules alone."""


rule gates:
    """The catalogue of gates, and their curves as numbers."""
    input:
        unpack(inputs("gates")),
    output:
        **reported("gates", "catalogue", category="Gates", labels={"file": "catalogue", "gate": "all"}),
    log:
        f"{LOGS}/gates.log",
    conda:
        conda("gates")
    container:
        image("gates")
    threads: 1
    params:
        **given("gates"),
    shell:
        "python -m smoothgates gates --spec {params.spec:q} --env {params.env} --curves {output.curves:q} --out {output.catalogue:q}"
        " >> {log:q} 2>&1"


rule analyse:
    """All runs in one table, and a comparison of every method with the reference."""
    input:
        unpack(inputs("analyse")),
    output:
        **reported("analyse", "comparisons", "verdicts", category="Analysis"),
    log:
        f"{LOGS}/analyse.log",
    conda:
        conda("analyse")
    container:
        image("analyse")
    threads: 1
    params:
        **given("analyse"),
        results=results_folder,
    shell:
        "python -m smoothgates analyse --spec {params.spec:q} --results {params.results:q} --out {output.comparisons:q}"
        " >> {log:q} 2>&1"


rule report:
    """The page with the study's figures, tables and findings."""
    input:
        unpack(inputs("report")),
    output:
        # The old page stays until the new one is complete. A page without its record does not count as done.
        page=update(reported("report", "page", category="Report")["page"]),
        record=OUTPUTS["report"]["record"],
    log:
        f"{LOGS}/report.log",
    localrule: True  # in a cluster job, Snakemake would restore the old page and then delete it
    conda:
        conda("report")
    container:
        image("report")
    threads: 1
    params:
        **given("report"),
        data=option("--data", "data"),
    shell:
        "python -m smoothgates report --spec {params.spec:q} --analysis {input.comparisons:q} --gates {input.catalogue:q} {params.data}"
        " --out {output.page:q} >> {log:q} 2>&1"
