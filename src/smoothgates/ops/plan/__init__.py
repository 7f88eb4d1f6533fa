"""What a study costs before it is run: jobs, hours, disk and memory, from its own past or from a stated model."""
