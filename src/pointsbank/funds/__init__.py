"""Funds: who stands for the points, how much they may issue, and what they have promised."""
