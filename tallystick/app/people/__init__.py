"""People: who they are, what each may do, and what each did."""
