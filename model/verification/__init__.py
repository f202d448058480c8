"""A model held against stored scores, the `gliclass` package and shipped texts."""
