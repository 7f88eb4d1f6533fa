"""Search over passages: BM25 by default, or dense vectors as in the papers."""
