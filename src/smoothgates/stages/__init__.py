"""One module for each stage: it reads the inputs, calls functions that do the work, and writes the outputs."""
