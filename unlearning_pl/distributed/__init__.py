"""Communication between the processes of a job, and the launchers that start them."""
