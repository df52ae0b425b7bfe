"""From a sweep to the model that is used: choosing, judging, registering, moving an alias and back, comparing."""
