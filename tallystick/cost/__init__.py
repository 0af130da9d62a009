"""Room: what did it cost. Rate card, charges, budgets and loops, in integers."""
