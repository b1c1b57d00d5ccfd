"""What merit earns beside points: stars, yearly prizes, candidate lists, honours."""
