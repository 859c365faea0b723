"""Graded coursework: building the editions of an assignment, and grading what comes back."""
