"""Labels: where the values of a call come from, judged against what the user said and what tools returned."""
