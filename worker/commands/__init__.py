"""The commands of `gliclass-worker`, one file each."""
