"""Measure the effect of each technique, describe it in a sentence and draw the figure of its page."""
