"""The recipe of the starter checkpoint: a label tower trained against the vectors of an untouched text tower."""
