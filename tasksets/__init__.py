"""Makes the items of the set ``standard`` once, checks each twice, and freezes them into the package."""
