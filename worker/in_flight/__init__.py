"""What is on its way through the worker, and the rules that keep it in order."""
