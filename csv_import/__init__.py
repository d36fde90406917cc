"""Companies, projects and AR content from CSV files: read, checked line by line, loaded by slug."""
