"""Scorers: text features and class vectors to one logit per label."""
