"""Read only: lists, counters, explanations, forecasts."""
