"""Techniques that augment images and video clips, one draw per image or clip."""
