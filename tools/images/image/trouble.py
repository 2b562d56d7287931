class Trouble(Exception):
    """What is wrong, with what, and what to do: printed as one line, exit status 1."""
