"""Acting: one proposed call of a tool or a model on its way, and the rules, pins and money it is held against."""
