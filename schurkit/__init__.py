"""schurkit."""
