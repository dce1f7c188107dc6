"""`manage.py bench`: how much our parts do, beside their peers, in the same run (docs/benchmarks.md).

`fanout`, `slow_readers` and `feed` say what is measured; `measure` does one measurement with a server,
a `publisher` and a `load` client, each a process of its own; `processes` pins, counts and ends them.
"""
