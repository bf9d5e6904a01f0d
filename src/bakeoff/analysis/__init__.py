"""Records to claims: summaries and findings."""
