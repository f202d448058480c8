"""Systems on a real Kafka: topics, messages, the worker and its peers as processes."""
