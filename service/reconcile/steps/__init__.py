"""The steps of a pass over one number, and the pure comparisons behind them."""
