"""Building blocks of networks. They know tensors and no architecture."""
