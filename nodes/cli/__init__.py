"""The command `shouxin`."""
