"""Published figures as data, and what can be said of each: it holds, it does not, it cannot be, it cannot be told."""
