"""One file for each vocabulary that spans arrive in; canonical ``gen_ai.*`` wins field by field."""
