"""The services as running programs: each alone, or all under one roof (`up`)."""
