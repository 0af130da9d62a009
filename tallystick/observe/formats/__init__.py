"""One file for each format of recorded runs that can be imported; each turns records into spans."""
