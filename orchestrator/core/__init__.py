"""Settings, the sweep folder, errors, the command line, atomic files and the object store."""
