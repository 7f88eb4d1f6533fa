"""The figures of the papers, drawn from the runs of a study."""
