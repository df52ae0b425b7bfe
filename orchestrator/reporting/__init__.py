"""What people see of a sweep: the terminal while it runs, then tables, figures and JSON."""
