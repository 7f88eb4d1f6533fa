"""Let Snakemake's plugin check its jobs every second. By default the pauses grow, and no option prevents that."""

import sys

if "snakemake" in sys.orig_argv:
    import asyncio

    sleep = asyncio.sleep
    asyncio.sleep = lambda delay, *rest: sleep(min(delay, 1), *rest)
