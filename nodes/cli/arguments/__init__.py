"""What each command takes; nothing here imports a command."""
