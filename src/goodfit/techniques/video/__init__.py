"""Techniques that change the time of video clips; those of images act on clips, too, with one draw per clip."""
