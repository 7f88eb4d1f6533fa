"""The manifests and records that stages leave, one file for each kind: a reader depends on the kinds that it reads."""
