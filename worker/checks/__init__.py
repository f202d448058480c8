"""What `run` needs, tested one by one."""
