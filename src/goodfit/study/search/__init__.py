"""The search of a study: which recipes and settings are tried, and on which folds."""
