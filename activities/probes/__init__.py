"""What the health check looks at: a probe for each thing that the application needs, and what it found."""
