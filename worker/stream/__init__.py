"""The journey of a record: taken in, scored, and let out."""
