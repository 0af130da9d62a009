"""A refund desk whose agents, tools and database are real and whose model is scripted."""
