"""The stream: consume, admit, batch, score, decide, publish, commit."""
