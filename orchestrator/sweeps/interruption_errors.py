"""Exceptions that end a sweep's process before the sweep is finished; it can be resumed after both."""


class SweepInterrupted(Exception):
    """Exception for a sweep that a signal or another terminal interrupted, with the cause in a few words."""


class SweepStopped(Exception):
    """Exception for a sweep that stopped itself, with the reason in a sentence."""
