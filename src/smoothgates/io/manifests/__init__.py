"""The manifests and records that stages write, one module for each kind. A reader imports only what it reads."""
