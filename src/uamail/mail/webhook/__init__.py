"""What mail providers call us with: each proves that it is genuine, and becomes a report."""
