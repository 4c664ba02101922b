"""What a node answers over HTTP, to callers and to other nodes."""
