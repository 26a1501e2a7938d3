"""The database: tables, dialect, migrations, reading and the one writer."""
