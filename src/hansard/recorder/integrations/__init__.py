"""One file per framework, each with one function `attach`."""
