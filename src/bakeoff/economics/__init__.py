"""What running a model costs: hardware, electricity, an API, and when the one has paid for the other."""
