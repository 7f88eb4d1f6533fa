"""The speed of the parts, beside other code: `make bench`, or `python -m tests.bench k2` for one part."""
