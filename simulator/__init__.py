"""The node under virtual time: the same code on a simulated clock, network and disk."""
