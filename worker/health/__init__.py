"""Whether the process is live and ready, and how it ends when it is not."""
