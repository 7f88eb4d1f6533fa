"""Examples for all later stages, from generators and public data sets."""
