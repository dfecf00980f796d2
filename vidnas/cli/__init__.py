"""The command line: one file a command; parses, calls one function of the rooms below, prints."""
