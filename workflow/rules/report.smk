"""From scores to the report. Nothing here trains: `make report` allows these rules alone."""

GATES, ANALYSE, REPORT = JOBS.gates(), JOBS.analyse(), JOBS.report()


rule gates:
    """The catalogue of gates as numbers."""
    input:
        code=code("gates", "gates", GATES.parts),
    output:
        catalogue=PATHS.gates,
        curves=PATHS.gate_curves,
    log:
        f"{PATHS.logs}/gates.log",
    conda:
        conda("gates")
    container:
        image("gates")
    params:
        spec=GATES.spec.canonical(),
        env=locked("gates"),
    shell:
        "python -m smoothgates gates --spec {params.spec:q} --curves {output.curves:q} --out {output.catalogue:q}"
        " >> {log:q} 2>&1"


rule analyse:
    """All runs in one table, and every method against the reference."""
    input:
        scores=ANALYSE.inputs,
        code=code("analyse", "analyse"),
    output:
        comparisons=PATHS.comparisons,
        tables=PATHS.tables,
    log:
        f"{PATHS.logs}/analyse.log",
    conda:
        conda("analyse")
    container:
        image("analyse")
    params:
        spec=ANALYSE.spec.canonical(),
        results=results_folder,
        env=locked("analyse"),
    shell:
        "python -m smoothgates analyse --spec {params.spec:q} --results {params.results:q} --out {output.comparisons:q}"
        " >> {log:q} 2>&1"


rule report:
    """The page that people look at."""
    input:
        comparisons=PATHS.comparisons,
        tables=PATHS.tables,
        data=expand(PATHS.data, task=TASKS),
        gates=PATHS.gates,
        curves=PATHS.gate_curves,
        code=code("report", "report"),
    output:
        page=update(PATHS.page),  # the old page stays until the new one is whole; without its record it is no result
        record=record_of(PATHS.page),
    log:
        f"{PATHS.logs}/report.log",
    localrule: True  # from a job on a cluster, Snakemake would give the old page back, and then delete it
    conda:
        conda("report")
    container:
        image("report")
    params:
        spec=REPORT.spec.canonical(),
        data=data_flags,
        env=locked("report"),
    shell:
        "python -m smoothgates report --spec {params.spec:q} --analysis {input.comparisons:q} --gates {input.gates:q} {params.data}"
        " --out {output.page:q} >> {log:q} 2>&1"
