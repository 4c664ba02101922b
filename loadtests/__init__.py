"""Load tests over real HTTP, with real signatures."""
