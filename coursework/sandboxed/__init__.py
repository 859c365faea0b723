"""What a submission's own process sees of the grader: no test, no solution, no grade."""
