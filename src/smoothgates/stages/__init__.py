"""One file a stage: read the inputs, call the pure code, write the outputs. The glue between files and functions."""
