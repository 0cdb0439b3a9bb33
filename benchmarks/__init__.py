"""What dbtasks costs, measured side by side with what a user would run otherwise. `python -m benchmarks` runs it all."""
