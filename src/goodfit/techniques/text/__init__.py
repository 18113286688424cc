"""Techniques that augment texts: they change, move, add or take away words, each text by a draw of its own."""
