"""The aiohttp process: takes pictures in, feeds the pool, tells how it goes, serves results."""
