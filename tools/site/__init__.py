"""Build the site of the documentation; `build` is the program."""
