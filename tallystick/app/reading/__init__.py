"""Reading: the questions that command line, API and pages ask, and the shapes of the answers."""
