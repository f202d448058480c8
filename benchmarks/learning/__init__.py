"""What the benchmarks of accuracy share: labelled sets."""
