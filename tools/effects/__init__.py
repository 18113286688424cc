"""What the figures on the techniques' pages show: measured, put into words, drawn."""
