"""`cinema up`: the whole platform on this machine, one child process for each service; see `cinema.stack.run`."""
