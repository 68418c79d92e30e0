"""What a run shares with, or keeps from, other processes."""
