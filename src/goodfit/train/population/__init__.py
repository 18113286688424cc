"""The population trainer: many networks of one structure as one program."""
