"""Rosters: the city's places, and who belongs to its groups, from CSV and XLSX files."""
