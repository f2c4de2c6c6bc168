"""What processes of one job say to one another, and who started them."""
