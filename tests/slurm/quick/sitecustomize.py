"""Snakemake's plugin looks at its jobs ever less often and no option says otherwise. In these tests: every second."""

import sys

if "snakemake" in sys.orig_argv:
    import asyncio

    sleep = asyncio.sleep
    asyncio.sleep = lambda delay, *rest: sleep(min(delay, 1), *rest)
