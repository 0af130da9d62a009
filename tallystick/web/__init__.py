"""Door: the pages people look at."""
