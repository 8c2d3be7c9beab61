"""Use cases around imports: a file becomes a plan, the plan is applied."""
