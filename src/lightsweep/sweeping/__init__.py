"""Sweeps: the study, its space, the claiming and running of trials, pruning, and the files of a sweep."""
