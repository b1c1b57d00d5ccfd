"""Points in wallets: the lots they stand in, and their expiry."""
