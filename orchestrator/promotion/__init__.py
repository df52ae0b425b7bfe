"""From a sweep to the model that is used: choosing, judging, registering, moving an alias, taking it back, comparing."""
