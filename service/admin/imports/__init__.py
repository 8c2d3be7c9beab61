"""Use cases for imports: a file becomes a plan, and the plan is applied."""
