"""One chapter or function over many parameters, on all cores or a cluster, into one table that goes
on where it stopped.
"""
