"""Training: from a network, data and a recipe to a run."""
