"""The report: one self-contained HTML file that shows the verdict, the ranking and the evidence."""
