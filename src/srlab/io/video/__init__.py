"""Videos, frame by frame, with their own times, colours and sound."""
