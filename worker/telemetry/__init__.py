"""What the worker tells of itself: metrics, traces and logs. Never the text of a message."""
