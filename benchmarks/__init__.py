"""Every performance claim as a command, `python -m benchmarks.NAME`; what commands share lies in the rooms."""
