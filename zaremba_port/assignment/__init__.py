"""The course assignment: its answers, the character exercise, diagrams, and the Lua comparison.

Each is a room of its own. Only the command line imports them.
"""
