"""What knows HTTP and SQL but no resource: errors, listing, settings, times and ids."""
