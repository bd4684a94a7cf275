"""What the course asks of the language model."""
