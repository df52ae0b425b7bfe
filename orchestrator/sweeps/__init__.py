"""The sweeps of a folder: listed, shown, exported, archived, brought back, deleted."""
