"""Techniques that augment sound, one draw per sample, all channels alike."""
