"""Implementations of the same nets, each framework in its files, and the contest between them.

Every implementation is a class with the interface of `case.Implementation` and runs in a process of its own
(`worker.py`), which never sees the others' libraries. `contest.py` verifies them, gives them turns and collects times.
"""
