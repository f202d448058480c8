"""The phrases that `written_texts` makes training texts of; each {slot} is filled from `slots`."""
