"""Who may act, and who answers."""
