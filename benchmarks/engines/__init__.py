"""Models that really compute: checkpoints, texts, the engines that are compared, and what they cost."""
