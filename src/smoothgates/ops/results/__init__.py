"""Looking after results: `verify` what they say, `prune` what nobody needs, `archive` them, `adopt` what was copied."""
