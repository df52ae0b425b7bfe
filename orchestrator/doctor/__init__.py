"""Checks of this machine and of the services that a sweep uses; each finding has a fix."""
