"""How fast is TinyTorch? Ratios to PyTorch on the same processor, measured in one run: `python -m benchmarks`."""
