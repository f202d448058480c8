"""The only room on the stream's path that calls the Kafka client."""
