"""What a network costs: parameters, MACs, memory and measured latency, each with its protocol."""
