"""Batching policies on a simulated device with a virtual clock."""
