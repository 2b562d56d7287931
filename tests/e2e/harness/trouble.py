"""Trouble: what went wrong, where, and what to do about it, in words for whoever runs the tests."""


class Trouble(Exception):
    pass
