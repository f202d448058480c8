"""What shows the worker at work: an embedded Apache Kafka, a message generator, a live view."""
