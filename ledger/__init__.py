"""The log: what is signed, how it is hashed, what proves it. Knows nothing of windows."""
