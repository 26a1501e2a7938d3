"""The console: pages for people, made on the server, with small modules of our own in the browser."""
