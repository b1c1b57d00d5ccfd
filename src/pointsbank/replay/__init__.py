"""Runs a city's files through the bank: reads a data set, plays it step by step, writes what came of it."""
