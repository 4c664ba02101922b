"""The world as a node finds it: clock, disk, keys, peers."""
