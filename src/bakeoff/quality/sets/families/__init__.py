"""One module a family of tasks: how an item is made, and how it is solved a second time, from its words alone."""
