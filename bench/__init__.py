"""Benchmarks: this framework against plain PyTorch and conventional Lightning programs, on the present machine."""
