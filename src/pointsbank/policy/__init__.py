"""What this programme allows: dated parameters, read from a file and checked whole, and the calendar."""
