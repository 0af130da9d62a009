"""Door: what an agent imports. Recording, guard and spool; it never breaks its host."""
