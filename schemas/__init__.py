"""Everything that crosses a boundary: records, policies, settings."""
