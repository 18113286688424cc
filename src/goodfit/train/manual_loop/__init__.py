"""A recipe in a training loop that the user writes."""
