"""The course assignment: its answers, the character exercise, diagrams, and the Lua comparison."""
