"""The results of a study: `verify` them, `prune` unneeded files, `archive` them, `adopt` copied ones, `clean` up."""
