"""Estimate the jobs, hours, disk space and memory of a study, from finished jobs or from a cost model."""
