"""What makes the stored results: `python -m experiments.transfer`, and so on."""
