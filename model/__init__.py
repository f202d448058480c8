"""GLiClass: texts and label sets in, scores out."""
