"""The device: its thread, its model, and what its work costs."""
