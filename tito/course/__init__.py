"""The course: its model (course.toml), its sources, its cells, its solutions, and the rules they follow."""
