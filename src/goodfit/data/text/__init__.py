"""Texts as inputs: the column of texts, tokens, vocabulary and ids of words."""
