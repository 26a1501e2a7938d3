"""One module for each page, named for what people look at there."""
