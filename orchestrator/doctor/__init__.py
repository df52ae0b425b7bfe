"""Health: whether this machine, and what it reaches, is fit for a sweep; each check says how to mend what it found."""
