"""The tenants' policies: compiled for the model, watched, and linted."""
