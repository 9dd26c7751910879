"""Values of the packages below as text; pure functions, recorded in tests/cli/goldens."""
