"""Operate a study: plan it, check and clean up its results, run it on a cluster."""
