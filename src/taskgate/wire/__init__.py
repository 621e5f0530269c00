"""What gateway and worker say to each other: messages, the sans-IO link, its codecs."""
