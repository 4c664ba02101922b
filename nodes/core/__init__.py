"""The node without the world: values in, and out comes what to write and then what to send."""
