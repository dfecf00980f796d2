"""One network and one data set make weights and metrics."""
