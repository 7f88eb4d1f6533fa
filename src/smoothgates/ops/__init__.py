"""Operating a study: plan it, look after its results, run it on a cluster."""
