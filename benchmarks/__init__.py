"""`manage.py bench`: benchmarks of the application's parts and of comparable software (docs/benchmarks.md).

`fanout`, `slow_consumers` and `feed` define scenarios; `measure` does one measurement with a server, a `publisher`
and a `load_client`, each a process of its own; `processes` starts, pins, measures and stops processes.
"""
