"""What dbtasks costs, side by side with what a user would run otherwise: python -m benchmarks"""
