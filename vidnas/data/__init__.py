"""Videos in, clips out. Knows no network."""
